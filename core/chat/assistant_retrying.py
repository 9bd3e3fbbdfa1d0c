"""Trying dead jobs again, as it was approved."""

from dataclasses import dataclass
from typing import assert_never

from core.chat.assistant_ready import Done, Ready
from core.chat.assistant_steps import RetryDead, Retrying, RetryJob
from core.chat.assistant_words import count
from core.errors import AppError, StoreUnavailableError
from core.jobs.control import DeadFilter, JobControl

BATCH = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryJobs:
    control: JobControl

    def ready(self, step: Retrying, *, again: bool) -> Ready:
        match step:
            case RetryJob():
                return self._one(step)
            case RetryDead():
                return self._dead(step, again=again)
            case _:
                assert_never(step)

    def _one(self, step: RetryJob) -> Ready:
        what = f"job {str(step.job)[:8]}"

        def do() -> Done:
            made = self.control.retry(step.job)
            job = f"job {str(made.id)[:8]}"
            if not made.created:
                return Done(text=f"{what}: is tried again already, by {job}", changed=False)
            return Done(text=f"{what}: {job} tries it again; the next drain does it")

        return Ready(what=what, do=do)

    def _dead(self, step: RetryDead, *, again: bool) -> Ready:
        beside = ", beside those of an earlier try" if again else ""

        def do() -> Done:
            made, stopped = self._batches(step)
            told = f"{count(made, 'dead job')} tried again{beside}; the next drain does the work."
            return Done(text=f"{told}{stopped}", changed=made > 0)

        return Ready(what="dead jobs", do=do)

    def _batches(self, step: RetryDead) -> tuple[int, str]:
        """How many, and why no more; what was tried again is never taken back."""
        wanted, made = DeadFilter(until=step.until), 0
        while made < step.most:
            try:
                batch = self.control.retry_dead(wanted, min(BATCH, step.most - made))
            except StoreUnavailableError:
                raise
            except AppError as error:
                if not made:
                    raise
                return made, f" Then it stopped: {error}"
            if not batch:
                break
            made += batch
        return made, ""
