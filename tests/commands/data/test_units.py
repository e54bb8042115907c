"""``lst units`` and ``lst tokenize`` from the command line."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from lst_cli.artifacts import Store
from lst_cli.errors import UserError
from lst_cli.main import app
from lst_cli.units.quantizer.codebook import QUANTIZER
from lst_cli.units.tokens import TOKENS, Tokens
from tests.units.speech import make_corpus, save_hubert, sound


def run(root: Path, *arguments: object) -> Result:
    return CliRunner().invoke(app, ["--root", str(root), *map(str, arguments)])


@pytest.fixture
def root(tmp_path: Path) -> Path:
    store = Store(tmp_path / "artifacts")
    make_corpus(store, [sound(1.0 + i, i) for i in range(4)])
    return store.root


@pytest.mark.parametrize("features", ["mfcc", "hubert"])
def test_fit_and_tokenize_then_up_to_date(root: Path, tmp_path: Path, features: str) -> None:
    chosen: list[object] = ["--features", features]
    if features == "hubert":
        chosen = ["--features", f"hubert:{save_hubert(tmp_path / 'model', '25hz')}", "--layer", 2]
    fit = ["units", "fit", "corpus/c", "--name", "q", "--clusters", 12, *chosen]
    first = run(root, *fit)
    assert first.exit_code == 0, first.output
    assert "clusters_used" in first.output and "inertia" in first.output and "perplexity" in first.output
    assert "up to date: quantizer/q/" in run(root, *fit).output
    made = run(root, "tokenize", "corpus/c", "--quantizer", "quantizer/q")
    assert "made tokens/c/" in made.output, made.output
    assert "up to date: tokens/c/" in run(root, "tokenize", "corpus/c", "--quantizer", "quantizer/q").output
    tokens = Store(root).find("tokens/c", TOKENS)
    assert [(id, len(units)) for id, units in Tokens(tokens)] == [(f"u{i:04d}", 25 * (i + 1)) for i in range(4)]
    assert json.loads((tokens.path / "artifact.json").read_text())["parents"]["quantizer"]["name"] == "q"


def test_import(root: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "km.npy", np.zeros((500, 39)))
    assert (
        "made quantizer/k/"
        in run(root, "units", "import", tmp_path / "km.npy", "--name", "k", "--features", "mfcc").output
    )
    assert Store(root).find("quantizer/k", QUANTIZER).config["clusters"] == 500


def test_another_option_makes_another_version(root: Path) -> None:
    for seed in (0, 1):
        run(root, "units", "fit", "corpus/c", "--name", "q", "--clusters", 5, "--seed", seed)
    run(root, "units", "fit", "corpus/c", "--name", "q", "--clusters", 5, "--seed", 0, "--workers", 1)
    assert len([path for path in (root / "quantizer" / "q").glob("[!.]*") if not path.is_symlink()]) == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["units", "fit", "corpus/c", "--name", "q", "--features", "mel"], "no such features"),
        (["units", "fit", "corpus/c", "--name", "q", "--clusters", "9000"], "more clusters than frames"),
        (["units", "fit", "corpus/none", "--name", "q"], "no such artifact"),
        (["units", "fit", "corpus/c", "--name", "q", "--device", "gpu"], "--device gpu"),
        (["tokenize", "corpus/c", "--quantizer", "quantizer/none"], "no such artifact"),
        (["tokenize", "corpus/c", "--quantizer", "corpus/c"], "wrong kind"),
    ],
)
def test_bad_requests_are_named_and_leave_nothing(root: Path, arguments: list[str], message: str) -> None:
    result = run(root, *arguments)
    assert isinstance(result.exception, UserError)
    assert message in str(result.exception)
    assert [artifact.kind for artifact in Store(root).all()] == ["corpus"]


def test_an_answer_that_is_up_to_date_loads_no_torch(root: Path) -> None:
    run(root, "units", "fit", "corpus/c", "--name", "q", "--clusters", 5)
    run(root, "tokenize", "corpus/c", "--quantizer", "quantizer/q")
    script = (
        "import sys; from lst_cli.main import main\n"
        f"sys.argv = ['lst', '--root', {str(root)!r}, *sys.argv[1:]]\n"
        "try:\n    main()\nfinally:\n    print('torch' in sys.modules)"
    )
    for arguments in (
        ["units", "fit", "corpus/c", "--name", "q", "--clusters", "5"],
        ["tokenize", "corpus/c", "--quantizer", "quantizer/q"],
    ):
        done = subprocess.run([sys.executable, "-c", script, *arguments], capture_output=True, text=True, check=True)
        assert "up to date" in done.stderr
        assert done.stdout.strip() == "False"
