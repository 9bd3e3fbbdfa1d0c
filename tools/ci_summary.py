"""Add up what the steps of .ci/run left behind.

The last line is the sum, the exit code its verdict. A step that is no test run counts as one test.
"""

import sys
import xml.etree.ElementTree as ET
from collections import Counter
from pathlib import Path


def counts(report: Path, *, failed: bool) -> Counter[str]:
    """Of a junit report; a step that failed without a failed test (a crash) adds one."""
    found: Counter[str] = Counter()
    if report.exists():
        for suite in ET.parse(report).getroot().iter("testsuite"):  # noqa: S314  (pytest wrote it)
            number = {name: int(suite.get(name, "0")) for name in ("failures", "errors", "skipped")}
            found["failed"] += number["failures"] + number["errors"]
            found["skipped"] += number["skipped"]
            found["passed"] += int(suite.get("tests", "0")) - sum(number.values())
    else:
        found["passed"] += not failed
    if failed and not found["failed"]:
        found["failed"] += 1
    return found


def main(folder: Path) -> int:
    total: Counter[str] = Counter()
    for verdict in sorted(folder.glob("*.verdict"), key=lambda path: path.stat().st_mtime):
        code, seconds = verdict.read_text("utf-8").split()
        found = counts(verdict.with_suffix(".xml"), failed=code != "0")
        total += found
        word = "failed" if found["failed"] else "passed"
        print(f"{verdict.stem:12} {word:8} {int(seconds):5} s  {line(found)}")
    for reason in sorted(folder.glob("*.skipped")):
        print(f"{reason.stem:12} {'skipped':8} {'':7}  {reason.read_text('utf-8').strip()}")
    print(line(total))
    return 1 if total["failed"] or not total["passed"] else 0


def line(found: Counter[str]) -> str:
    return ", ".join(f"{found[word]} {word}" for word in ("passed", "failed", "skipped"))


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
