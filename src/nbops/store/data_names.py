"""What is said of names of data beyond their uses: numbers that must not change, tags, descriptions."""

from __future__ import annotations

from collections.abc import Iterable

from nbops.store.database import Reader, Transaction


def numbers(reader: Reader) -> dict[str, dict[str, int]]:
    """{name: {digest: number}} of the versions whose number was fixed when a run that used the name was deleted."""
    found: dict[str, dict[str, int]] = {}
    for row in reader.rows("SELECT name, digest, number FROM data_numbers ORDER BY name, number"):
        found.setdefault(row["name"], {})[row["digest"]] = row["number"]
    return found


def fix_numbers(tx: Transaction, versions: Iterable[tuple[str, str, int]]) -> None:
    """Fix the numbers of (name, digest, number)."""
    tx.write_many(
        "INSERT INTO data_numbers (name, digest, number) VALUES (:name, :digest, :number)"
        " ON CONFLICT (name, digest) DO NOTHING",
        [{"name": name, "digest": digest, "number": number} for name, digest, number in versions],
    )


def tags(reader: Reader) -> dict[str, dict[str, str]]:
    """{name: {tag: digest}}"""
    found: dict[str, dict[str, str]] = {}
    for row in reader.rows("SELECT name, tag, digest FROM data_tags ORDER BY name, tag"):
        found.setdefault(row["name"], {})[row["tag"]] = row["digest"]
    return found


def set_tag(tx: Transaction, name: str, tag: str, digest: str, *, by: str) -> None:
    """Let a tag of a name mean this content, whatever it meant before."""
    tx.write(
        "INSERT INTO data_tags (name, tag, digest, at, by) VALUES (:name, :tag, :digest, :at, :by)"
        " ON CONFLICT (name, tag) DO UPDATE SET digest = excluded.digest, at = excluded.at, by = excluded.by",
        name=name,
        tag=tag,
        digest=digest,
        at=tx.at,
        by=by,
    )
    tx.event("data", f"{name}@{tag}", "tagged")


def remove_tag(tx: Transaction, name: str, tag: str) -> None:
    if tx.write("DELETE FROM data_tags WHERE name = :name AND tag = :tag", name=name, tag=tag):
        tx.event("data", f"{name}@{tag}", "untagged")


def descriptions(reader: Reader) -> dict[tuple[str, str], str]:
    """{(name, digest): text}; the digest is "" for what is said of the name as such."""
    rows = reader.rows("SELECT name, digest, text FROM data_descriptions")
    return {(row["name"], row["digest"]): row["text"] for row in rows}


def describe(tx: Transaction, name: str, digest: str, text: str, *, by: str) -> None:
    """Say something of a name (digest "") or of one of its versions; an empty text takes it back."""
    if text:
        tx.write(
            "INSERT INTO data_descriptions (name, digest, text, at, by) VALUES (:name, :digest, :text, :at, :by)"
            " ON CONFLICT (name, digest) DO UPDATE SET text = excluded.text, at = excluded.at, by = excluded.by",
            name=name,
            digest=digest,
            text=text,
            at=tx.at,
            by=by,
        )
    else:
        tx.write("DELETE FROM data_descriptions WHERE name = :name AND digest = :digest", name=name, digest=digest)
    tx.event("data", name, "described")
