"""Wheel and source distribution build, hold everything, and run without the repository."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]


def run(*command: str | Path, cwd: Path, **environment: str) -> str:
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Both distributions, from the files that git knows, so that nothing of the working tree slips in."""
    folder = tmp_path_factory.mktemp("built")
    names = run("git", "ls-files", "-z", cwd=REPOSITORY).split("\0")
    for name in names:
        if name.startswith("lst_cli/") or name in {"pyproject.toml", "README.md", "LICENSE"}:
            target = folder / "source" / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes((REPOSITORY / name).read_bytes())
    run(sys.executable, "-m", "build", "--outdir", folder / "dist", folder / "source", cwd=folder)
    return folder / "dist"


def package_files() -> set[str]:
    listed = run("git", "ls-files", "-z", "lst_cli", cwd=REPOSITORY).split("\0")
    return {name for name in listed if name}


def test_the_wheel_holds_all_of_the_package(built: Path) -> None:
    (wheel,) = built.glob("*.whl")
    assert wheel.name.startswith("lst_cli-")
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if name.startswith("lst_cli/")}
    assert held == package_files()


def test_the_source_distribution_holds_all_of_the_package(built: Path) -> None:
    (source,) = built.glob("*.tar.gz")
    with tarfile.open(source) as archive:
        held = {name.partition("/")[2] for name in archive.getnames()}
    assert package_files() <= held


def test_it_runs_from_the_wheel_alone(built: Path, tmp_path: Path) -> None:
    (wheel,) = built.glob("*.whl")
    run(sys.executable, "-m", "pip", "install", "--no-deps", "--target", tmp_path / "site", wheel, cwd=tmp_path)
    where = {"PYTHONPATH": str(tmp_path / "site")}
    place = run(sys.executable, "-c", "import lst_cli; print(lst_cli.__file__)", cwd=tmp_path, **where)
    assert Path(place.strip()).is_relative_to(tmp_path)
    assert run(sys.executable, tmp_path / "site" / "bin" / "lst", "--version", cwd=tmp_path, **where).startswith("lst ")
    assert "pretrain" in run(sys.executable, "-m", "lst_cli.main", "--help", cwd=tmp_path, **where)
    templates = "from lst_cli.reports.drawing.templates import asset; print(len(asset('page.css')))"
    assert int(run(sys.executable, "-c", templates, cwd=tmp_path, **where)) > 100
