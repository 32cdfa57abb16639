"""The normaliser of tools/compare_notebooks.py: blind to what varies, and to nothing else."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

_FILE = Path(__file__).parents[2] / "tools" / "message_forms.py"
_SPEC = importlib.util.spec_from_file_location("message_forms", _FILE)
message_forms = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(message_forms)
Forms = message_forms.Forms


def stream(text, name="stdout"):
    return {"type": "stream", "content": {"name": name, "text": text}}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("<Foo at 0x7f3a5c1d2e80>", "<Foo at 0x7f0011223344>"),
        ("&lt;sklearn.tree...x7f574fa46720&gt;", "&lt;sklearn.tree...x7f0e8f6ae790&gt;"),
        ("0a1b2c3d-0123456789abcdef01234567_4711_12", "0a1b2c3e-1123456789abcdef01234567_99_13"),
        ("/tmp/ipykernel_4711/3012.py:3: W", "/tmp/ipykernel_99/3012.py:3: W"),
        ("CPU times: user 1.2 ms, sys: 0 ns, total: 1.2 ms", "CPU times: user 3 µs, sys: 12 ns, total: 3.1 µs"),
        ("Wall time: 2.01 s", "Wall time: 980 ms"),
        (
            "1.23 ms ± 45.6 µs per loop (mean ± std. dev. of 7 runs, 1,000 loops each)",
            "998 μs ± 3 ns per loop (mean ± std. dev. of 7 runs, 10,000 loops each)",
        ),
        (" 30%|###   | 3/10 [00:01<00:02]\r 40%|####  | 4/10 [00:01<00:02]", " 35%|###   | 3/10 [00:03<00:02]"),
        ("at 2031-05-06 11:12:13.123456 it ran", "at 2031-05-06T09:08:07 it ran"),
        ("/tmp/tmpab_c12x9/out.csv", "/tmp/tmp0f9zz7aa/out.csv"),
    ],
)
def test_what_varies_between_two_executions_is_the_same(one, other):
    assert Forms(["2031-05-06"]).text(one) == Forms(["2031-05-06"]).text(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("accuracy 0.91", "accuracy 0.92"),
        ("1999-01-01 rows", "1999-01-02 rows"),
        ("line 3, in f", "line 4, in f"),
        ("\x1b[0;31mValueError\x1b[0m: 3", "ValueError: 3"),
        ("100 rows", "101 rows"),
        ("a  b", "a b"),
        ("NaN", "nan"),
        ("0xff", "0xfe"),
    ],
)
def test_everything_else_stays_different(one, other):
    assert Forms(["2031-05-06"]).text(one) != Forms(["2031-05-06"]).text(other)


def test_random_names_keep_who_is_who():
    first, second = "0123456789abcdef0123456789abcdef", "fedcba9876543210fedcba9876543210"
    swapped = Forms().text(f"{second} {first} {second}")
    assert Forms().text(f"{first} {second} {first}") == swapped
    assert Forms().text(f"{first} {second} {second}") != swapped
    assert first not in Forms().text(f"IPY_MODEL_{first}")


def test_random_display_ids_keep_who_is_who_and_given_ones_stay():
    def shown(*ids):
        return [
            {"type": "display_data", "content": {"data": {}, "transient": {"display_id": one}}, "metadata": {}}
            for one in ids
        ]

    assert Forms().cell(shown("de02feee84cd63cb", "de02feee84cd63cb")) == Forms().cell(shown(*["bd293c0c221cdddf"] * 2))
    assert Forms().cell(shown("de02feee84cd63cb", "de02feee84cd63cb")) != Forms().cell(
        shown("de02feee84cd63cb", "bd293c0c221cdddf")
    )
    assert Forms().cell(shown("mine")) != Forms().cell(shown("yours"))


def test_moments_of_flushing_do_not_matter_but_order_does():
    whole = Forms().cell([stream("a\nb\n"), stream("x", "stderr"), stream("c")])
    assert Forms().cell([stream("a\n"), stream("b\n"), stream("x", "stderr"), stream("c")]) == whole
    assert Forms().cell([stream("a\nb\nc"), stream("x", "stderr")]) != whole


def test_cards_are_left_out_and_other_displays_are_not():
    card = {"type": "display_data", "content": {"data": {message_forms.RECORD: {}, "text/html": "x"}}}
    shown = {"type": "display_data", "content": {"data": {"text/html": "x"}}}
    status = {"type": "status", "content": {"execution_state": "busy"}}
    assert len(Forms().cell([status, shown, card])) == 1
    assert Forms().cell([stream("a"), card, stream("b")]) == Forms().cell([stream("ab")])
    update = {"type": "update_display_data", "content": card["content"]}
    assert len(Forms().cell([update])) == 1


def test_images_are_compared_byte_for_byte():
    one, other = ({"type": "display_data", "content": {"data": {"image/png": png}}} for png in ("iVBOR0", "iVBOR1"))
    assert Forms().cell([one]) != Forms().cell([other])


def test_what_is_compared_is_a_copy():
    message = stream("took 3 s")
    Forms().cell([message, stream("!")])
    assert message == stream("took 3 s")


@pytest.mark.parametrize("long", ["9" * 300_000, "3 " * 150_000, "deadbeef" * 40_000, "<td>1%" * 50_000])
@pytest.mark.timeout(20)
def test_a_long_line_is_read_in_linear_time(long):
    assert Forms(["2031-05-06"]).text(long) == long
