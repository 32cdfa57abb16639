"""Large content is kept as pieces: what grew or changed a little is stored once; readers don't see the difference."""

from __future__ import annotations

import io
import os
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nbops.core.errors import CorruptArtifactError, UnknownNameError
from nbops.store.artifacts import ArtifactStore, digest_of
from nbops.store.pieces import LARGEST, SMALLEST, pieces


def content(size: int, seed: int = 0) -> bytes:
    return np.random.default_rng(seed).integers(0, 256, size, dtype=np.uint8).tobytes()


@pytest.fixture
def artifacts(tmp_path: Path) -> ArtifactStore:
    return ArtifactStore(tmp_path / "artifacts")


@pytest.fixture
def large(tmp_path: Path) -> Path:
    file = tmp_path / "large.bin"
    file.write_bytes(content(20_000_000))
    return file


def on_disk(store: ArtifactStore) -> int:
    return sum(f.stat().st_size for f in store.root.rglob("*") if f.is_file())


@settings(max_examples=25, deadline=None)
@given(
    kinds=st.lists(
        st.tuples(st.sampled_from(["random", "zeros", "text"]), st.integers(0, 3 * LARGEST // 2)), max_size=4
    ),
    seed=st.integers(0, 99),
)
def test_pieces_are_the_content_and_of_the_sizes_said(kinds: list[tuple[str, int]], seed: int) -> None:
    made = {"random": lambda n: content(n, seed), "zeros": bytes, "text": lambda n: (b"1,2.5,abc\n" * n)[:n]}
    data = b"".join(made[kind](size) for kind, size in kinds)
    found = list(pieces(io.BytesIO(data)))
    assert b"".join(found) == data
    assert all(SMALLEST <= len(piece) <= LARGEST for piece in found[:-1])
    assert all(0 < len(piece) <= LARGEST for piece in found[-1:])


@pytest.mark.parametrize("how", ["appended", "inserted in the middle", "one byte changed", "one byte before"])
def test_a_64_mb_file_that_changed_a_little_takes_little(artifacts: ArtifactStore, tmp_path: Path, how: str) -> None:
    was = content(64 << 20)
    middle = len(was) // 2
    now = {
        "appended": was + content(200_000, 1),
        "inserted in the middle": was[:middle] + content(200_000, 1) + was[middle:],
        "one byte changed": was[:middle] + bytes([was[middle] ^ 1]) + was[middle + 1 :],
        "one byte before": b"x" + was,
    }[how]
    file = tmp_path / "big.bin"
    file.write_bytes(was)
    first, written = artifacts.add_file(file)
    before = on_disk(artifacts)
    assert written == len(was) <= before
    file.write_bytes(now)
    second, written = artifacts.add_file(file)
    assert written <= on_disk(artifacts) - before < 0.05 * len(was)
    assert (first, second) == tuple(artifacts.digests()) or (second, first) == tuple(artifacts.digests())
    artifacts.copy(first, tmp_path / "first")
    assert (tmp_path / "first").read_bytes() == was
    assert artifacts.verified(second).read_bytes() == now


def test_the_digest_is_that_of_the_whole_and_readers_see_a_file(artifacts: ArtifactStore, large: Path) -> None:
    digest = artifacts.put_file(large)
    assert digest == digest_of(large)
    assert artifacts.has(digest)
    assert not artifacts.path(digest).exists()  # nothing is kept twice
    assert artifacts.size(digest) == 20_000_000
    assert list(artifacts.digests()) == [digest]
    artifacts.check(digest)
    assert not list(artifacts.chunked.whole.glob("*"))
    path = artifacts.verified(digest)
    assert path.read_bytes() == large.read_bytes() == artifacts.read_bytes(digest)
    assert artifacts.verified(digest) == path
    assert artifacts.add_file(large) == (digest, 0)


def test_a_damaged_whole_is_put_together_again(artifacts: ArtifactStore, large: Path) -> None:
    digest = artifacts.put_file(large)
    path = artifacts.verified(digest)
    path.chmod(0o644)
    path.write_bytes(b"damaged")
    assert artifacts.verified(digest).read_bytes() == large.read_bytes()


@pytest.mark.parametrize("how", ["changed", "missing", "list"])
def test_a_damaged_piece_is_found_by_every_reader(
    artifacts: ArtifactStore, large: Path, tmp_path: Path, how: str
) -> None:
    digest = artifacts.put_file(large)
    name, _ = artifacts.chunked.parts(digest.rpartition(":")[2])[3]
    broken = artifacts.chunked.piece(name) if how != "list" else artifacts.chunked.list_of(digest.rpartition(":")[2])
    broken.chmod(0o644)
    if how == "missing":
        broken.unlink()
    else:
        text = broken.read_bytes()
        broken.write_bytes(text[:20] + b"?" + text[21:])
    for read in (artifacts.verified, artifacts.check, artifacts.read_bytes):
        with pytest.raises(CorruptArtifactError, match="is damaged"):
            read(digest)
    with pytest.raises(CorruptArtifactError):
        artifacts.copy(digest, tmp_path / "out")
    assert not list(artifacts.chunked.whole.glob("*"))
    artifacts.set_aside(digest)
    assert not artifacts.has(digest)
    with pytest.raises(UnknownNameError):
        artifacts.check(digest)
    assert artifacts.put_file(large) == digest  # made again, with a sound piece
    artifacts.check(digest)


def test_removal_leaves_the_pieces_that_another_has(artifacts: ArtifactStore, large: Path) -> None:
    first = artifacts.put_file(large)
    large.write_bytes(large.read_bytes() + content(400_000, 5))
    second = artifacts.put_file(large)
    later = time.time() + 100
    assert not artifacts.remove(first, put_before=time.time() - 100)  # too young
    assert artifacts.remove(first, put_before=later)
    assert not artifacts.has(first)
    assert artifacts.remove_unused(put_before=time.time() - 100) == 0
    assert 0 < artifacts.remove_unused(put_before=later) < 4_200_000
    assert artifacts.read_bytes(second) == large.read_bytes()
    artifacts.remove(second, put_before=later)
    artifacts.remove_unused(put_before=later)
    assert on_disk(artifacts) == 0


def test_a_piece_that_is_put_again_counts_as_put_now(artifacts: ArtifactStore, large: Path) -> None:
    digest = artifacts.put_file(large)
    then = time.time() - 7200
    for file in artifacts.root.rglob("*"):
        os.utime(file, (then, then))
    assert artifacts.put_at(digest) < time.time() - 7000
    artifacts.put_file(large)
    assert artifacts.put_at(digest) > time.time() - 600
    artifacts.remove(digest, put_before=time.time() + 100)
    assert artifacts.remove_unused(put_before=time.time() - 3600) == 0  # young: a list may be about to name them
