"""When a schedule is due: clock changes, missed times, intervals, lines that are none."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from croniter import croniter
from hypothesis import given
from hypothesis import strategies as st

from nbops.automation.times import check_cron, newest, next_time, seconds, times
from nbops.core.automation import Schedule
from nbops.core.errors import UsageError

BERLIN = ZoneInfo("Europe/Berlin")  # 2026: 02:00 → 03:00 on 29 March, 03:00 → 02:00 on 25 October
AT = datetime(2026, 1, 1, tzinfo=UTC)


def cron(line: str, tz: str = "Europe/Berlin") -> Schedule:
    return Schedule(name="s", cron=line, tz=tz, pipeline="p", created_at=AT, created_by="me")


def every(text: str) -> Schedule:
    return Schedule(name="s", every_s=seconds(text), pipeline="p", created_at=AT, created_by="me")


def local(line: str, start: datetime, n: int) -> list[str]:
    """The next `n` times, as the clock in Berlin shows them, with its offset."""
    found, moment = [], start
    for _ in range(n):
        moment = next_time(cron(line), moment)
        found.append(moment.astimezone(BERLIN).strftime("%d %H:%M %z"))
    return found


SPRING, AUTUMN = datetime(2026, 3, 28, 12, tzinfo=UTC), datetime(2026, 10, 24, 12, tzinfo=UTC)


def test_the_hour_that_is_missing_in_spring() -> None:
    assert local("30 2 * * *", SPRING, 3) == ["29 03:30 +0200", "30 02:30 +0200", "31 02:30 +0200"]
    assert local("0 6 * * *", SPRING, 2) == ["29 06:00 +0200", "30 06:00 +0200"]
    assert local("30 1-4 * * *", SPRING, 4) == ["29 01:30 +0100", "29 03:30 +0200", "29 04:30 +0200", "30 01:30 +0200"]
    almost = datetime(2026, 3, 29, 0, 40, tzinfo=UTC)
    assert local("*/10 * * * *", almost, 3) == ["29 01:50 +0100", "29 03:00 +0200", "29 03:10 +0200"]
    assert local("30 * * * *", almost, 2) == ["29 03:30 +0200", "29 04:30 +0200"]


def test_the_hour_that_comes_twice_in_autumn() -> None:
    assert local("30 2 * * *", AUTUMN, 3) == ["25 02:30 +0200", "26 02:30 +0100", "27 02:30 +0100"]
    assert local("0 6 * * *", AUTUMN, 2) == ["25 06:00 +0100", "26 06:00 +0100"]
    assert local("30 1-3 * * *", AUTUMN, 4) == ["25 01:30 +0200", "25 02:30 +0200", "25 03:30 +0100", "26 01:30 +0100"]
    almost = datetime(2026, 10, 25, 0, 10, tzinfo=UTC)
    assert local("*/30 * * * *", almost, 4) == ["25 02:30 +0200", "25 02:00 +0100", "25 02:30 +0100", "25 03:00 +0100"]


def test_every_second_hour_is_about_the_hours_that_the_clock_shows() -> None:
    for hours in ("*/2", ",".join(str(hour) for hour in range(0, 24, 2))):
        spring = local(f"0 {hours} * * *", datetime(2026, 3, 28, 22, tzinfo=UTC), 4)
        assert spring == ["29 00:00 +0100", "29 03:00 +0200", "29 04:00 +0200", "29 06:00 +0200"]
        autumn = local(f"0 {hours} * * *", datetime(2026, 10, 24, 21, tzinfo=UTC), 4)
        assert autumn == ["25 00:00 +0200", "25 02:00 +0200", "25 04:00 +0100", "25 06:00 +0100"]


def test_a_look_between_the_two_times_of_autumn_finds_it_done() -> None:
    between = datetime(2026, 10, 25, 1, 10, tzinfo=UTC)  # 02:10 for the second time
    assert local("30 2 * * *", between, 1) == ["26 02:30 +0100"]


@given(
    st.sampled_from(["*/7 * * * *", "0 * * * *", "15 2 * * *", "30 2,3 * * *", "0 0 * * *", "5 */3 * * *", "@daily"]),
    st.integers(0, 3 * 366 * 24 * 60),
)
def test_times_ascend_and_are_what_the_clock_shows(line: str, minutes: int) -> None:
    after = datetime(2025, 12, 31, tzinfo=UTC) + timedelta(minutes=minutes)
    schedule = cron(line)
    first = next_time(schedule, after)
    second = next_time(schedule, first)
    assert after < first < second
    assert next_time(schedule, first - timedelta(microseconds=1)) == first, "whenever it is looked, the same times"
    shown = first.astimezone(BERLIN).replace(tzinfo=None)
    skipped = first.astimezone(BERLIN).utcoffset() != (first - timedelta(hours=1)).astimezone(BERLIN).utcoffset()
    assert croniter.match(line, shown) or skipped
    if shown.date() not in (datetime(2026, 3, 29).date(), datetime(2027, 3, 28).date(), datetime(2028, 3, 26).date()):
        assert croniter.match(line, shown)


def test_the_newest_of_many_missed_times_is_found_at_once() -> None:
    now = datetime(2031, 5, 6, 7, 8, 30, tzinfo=UTC)
    assert newest(cron("* * * * *"), AT, now) == datetime(2031, 5, 6, 7, 8, tzinfo=UTC)
    assert newest(cron("0 6 1 * *", "UTC"), AT, now) == datetime(2031, 5, 1, 6, tzinfo=UTC)
    assert newest(cron("0 0 29 2 *", "UTC"), datetime(2024, 2, 29, tzinfo=UTC), now) == datetime(
        2028, 2, 29, tzinfo=UTC
    )
    assert newest(every("1s"), AT, now) == now
    soon = AT + timedelta(minutes=1)
    assert newest(cron("* * * * *"), AT, soon) == soon
    assert newest(cron("* * * * *"), soon, soon) == soon


def test_intervals_count_from_when_the_schedule_was_made() -> None:
    schedule = every("1h30m")
    assert next_time(schedule, AT) == AT + timedelta(minutes=90)
    assert next_time(schedule, AT + timedelta(minutes=90)) == AT + timedelta(minutes=180)
    assert next_time(schedule, AT - timedelta(days=9)) == AT + timedelta(minutes=90), "not before it was made"
    assert len(list(times(schedule, AT, AT + timedelta(days=1)))) == 17


@pytest.mark.parametrize(
    ("line", "tz", "sentence"),
    [
        ("every day", "UTC", "five fields"),
        ("0 6 * *", "UTC", "five fields"),
        ("0 6 * * * *", "UTC", "five fields"),
        ("H 6 * * *", "UTC", "five fields"),
        ("61 6 * * *", "UTC", "out of range"),
        ("0 0 30 2 *", "UTC", "the cron line '0 0 30 2 \\*' never comes true$"),
        ("@every 5m", "UTC", "'@every 5m' is no cron line;.* for an interval there is --every"),
        ("@dayly", "UTC", "'@dayly' is no cron line; did you mean '@daily'"),
        ("@sometimes", "UTC", "no cron line"),
        ("0 6 * * *", "Europe/Berln", "did you mean 'Europe/Berlin'"),
        ("0 6 * * *", "../etc/passwd", "no time zone"),
        ("0 6 * * *", "", "no time zone"),
    ],
)
def test_lines_that_are_none(line: str, tz: str, sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        check_cron(line, tz)


def test_lines_that_are_some() -> None:
    for line in ("0 6 * * 1-5", "@daily", "*/15 8-18 * * mon-fri", "0 0 29 2 *", "0 6 L * *"):
        check_cron(line, "Europe/Berlin")


@pytest.mark.parametrize("text", ["", "15", "m", "-1m", "1x", "0s", "1h-3m", "fortnight"])
def test_durations_that_are_none(text: str) -> None:
    with pytest.raises(UsageError, match=r"duration|no time"):
        seconds(text)


def test_durations() -> None:
    assert [seconds(t) for t in ("90s", "15m", "1h30m", "2d", "1w", "1.5h", "1 h")] == [
        90,
        900,
        5400,
        172800,
        604800,
        5400,
        3600,
    ]


@pytest.mark.parametrize("written", ["15m", "1h30m", "2d", "45s", "1d1m", "0.5s", "7d"])
def test_an_interval_is_said_as_it_is_written(written: str) -> None:
    assert every(written).expression == written
