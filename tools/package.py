"""Make the zip that AWS Lambda runs, without Docker and with the same bytes each time.

python tools/package.py                    arm64, Python 3.13: what serverless.yml deploys
python tools/package.py --platform host    this machine and this Python: what the tests run
"""

import argparse
import hashlib
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from fnmatch import fnmatchcase as fnmatch
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PRODUCT = ("core", "handlers", "infra")
DEVELOPMENT = ROOT / "infra" / "simulator"
LAMBDA = [
    "--python-platform=aarch64-manylinux_2_28",  # Amazon Linux 2023 has glibc 2.34
    "--python-version=3.13",
]
HOST = [f"--python-version={sys.version_info.major}.{sys.version_info.minor}"]
LEFT_OUT = {"__pycache__", "bin"}
CODE = "*.py"
STATEMENTS = (
    "infra/postgres/sql/*.sql", "infra/postgres/migrations/*.sql", "infra/old_connector/*.sql",
)  # fmt: skip
EARLIEST = (1980, 1, 1, 0, 0, 0)  # the first instant that a zip can hold
FILE_MODE = 0o100644 << 16


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--platform", choices=["lambda", "host"], default="lambda")
    parser.add_argument("--output", type=Path, default=ROOT / "build" / "cronshot.zip")
    chosen = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="cronshot-package-") as folder:
        staging = Path(folder)
        install_libraries(staging, LAMBDA if chosen.platform == "lambda" else HOST)
        copy_product(staging)
        write_zip(staging, chosen.output)
    report(chosen.output)
    return 0


def install_libraries(staging: Path, platform: list[str]) -> None:
    """What requirements/runtime.txt locks, wheels only, each checked against its hash."""
    subprocess.run(
        [
            Path(sys.executable).with_name("uv"),
            "pip",
            "install",
            "--quiet",
            "--no-compile-bytecode",
            f"--python={sys.executable}",
            f"--target={staging}",
            *platform,
            "--only-binary=:all:",
            "--no-deps",  # the lock file is complete; what it lacks must not come by itself
            "--require-hashes",
            f"--requirements={ROOT / 'requirements' / 'runtime.txt'}",
        ],
        check=True,
    )
    (staging / ".lock").unlink(missing_ok=True)
    for record in staging.glob("*.dist-info"):
        for name in ("RECORD", "INSTALLER", "REQUESTED", "direct_url.json", "uv_cache.json"):
            (record / name).unlink(missing_ok=True)


def copy_product(staging: Path) -> None:
    """What runs, and nothing else that somebody keeps in the tree."""
    for name in PRODUCT:
        for path in (ROOT / name).rglob("*"):
            if path.is_file() and _runs(path):
                place = staging / path.relative_to(ROOT)
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(path, place)


def _runs(path: Path) -> bool:
    if path.is_relative_to(DEVELOPMENT):
        return False
    name = path.relative_to(ROOT).as_posix()
    # fnmatch's * goes through folders.
    return fnmatch(name, CODE) or any(fnmatch(name, pattern) for pattern in STATEMENTS)


def write_zip(staging: Path, output: Path) -> None:
    """Sorted, with fixed times and modes; in place only when it is whole."""
    output.parent.mkdir(parents=True, exist_ok=True)
    unfinished = output.with_suffix(".unfinished")
    with zipfile.ZipFile(unfinished, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, path in _entries(staging):
            entry = zipfile.ZipInfo(name, EARLIEST)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.create_system = 3
            entry.external_attr = FILE_MODE
            archive.writestr(entry, path.read_bytes())
    unfinished.replace(output)


def _entries(staging: Path) -> Iterator[tuple[str, Path]]:
    files = (path for path in staging.rglob("*") if path.is_file())
    named = sorted((path.relative_to(staging).as_posix(), path) for path in files)
    return ((name, path) for name, path in named if not LEFT_OUT & set(name.split("/")))


def report(output: Path) -> None:
    body = output.read_bytes()
    with zipfile.ZipFile(output) as archive:
        unpacked = sum(entry.file_size for entry in archive.infolist())
    shown = output.relative_to(ROOT) if output.is_relative_to(ROOT) else output
    print(f"{shown}  {len(body) / 1e6:.1f} MB, {unpacked / 1e6:.1f} MB unpacked (limit 250 MB)")
    print(f"sha256  {hashlib.sha256(body).hexdigest()}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
