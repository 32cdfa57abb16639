"""When a schedule is due. A cron line is read in its time zone, with both clock changes right:

* a time that the clock skips in spring (02:30 where 02:00 becomes 03:00) is due when it would have been, had the clock
  not been changed yet: once, at 03:30;
* a time that comes twice in autumn is due the first time only;
* a line for every hour (its hour field is ``*``) is about hours that pass, not about what the clock shows: it goes on
  evenly through both. One for every second hour (``*/2``) names hours that the clock shows, like ``0,2,4,…``. (Vixie's
  cron takes that for the other kind: it drops 02:00 in spring and runs it twice in autumn.)
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from nbops.core.automation import Schedule
from nbops.core.errors import UsageError, suggestion

GRACE = timedelta(minutes=5)
"""A time this long ago isn't missed yet."""

LONGEST_YEARS = 8
"""How far a cron line's next time is looked for: 29 February may be that far."""

_NAMED = ("@hourly", "@daily", "@midnight", "@weekly", "@monthly", "@yearly", "@annually")
_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 7 * 86400.0}
_DURATION = re.compile(r"(?:\d+(?:\.\d+)?[smhdw])+")


def seconds(text: str) -> float:
    """``"90s"``, ``"15m"``, ``"1h30m"``, ``"2d"``, ``"1w"`` in seconds.

    Raises
    ------
    UsageError
        For anything else, and for nothing at all ("0s").
    """
    plain = text.replace(" ", "").lower()
    if not _DURATION.fullmatch(plain):
        raise UsageError(f"{text!r} is no duration; write it like 90s, 15m, 1h30m, 2d")
    total = sum(float(number) * _UNITS[unit] for number, unit in re.findall(r"([\d.]+)([smhdw])", plain))
    if total <= 0:
        raise UsageError(f"{text!r} is no time at all")
    return total


def check_cron(line: str, tz: str) -> None:
    """Refuse a cron line that is none, one that never comes true, and a time zone that isn't.

    Raises
    ------
    UsageError
    """
    try:
        zone = ZoneInfo(tz)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise UsageError(f"there is no time zone {tz!r}{suggestion(tz, available_timezones())}") from error
    if line.startswith("@") and line.lower() not in _NAMED:
        hint = "; for an interval there is --every (every in nbops.toml)" if line.lower().startswith("@every") else ""
        raise UsageError(f"{line!r} is no cron line{suggestion(line.lower(), _NAMED)}{hint}")
    fields = line.split()
    if re.search(r"(?i)\b[hr]\b|[hr]\(", line) or (len(fields) != 5 and not line.startswith("@")):
        raise UsageError(f"{line!r} is no cron line; it has five fields: minute hour day month weekday")
    from croniter import CroniterBadDateError

    try:
        _next_cron(line, zone, datetime.now(UTC))
    except CroniterBadDateError as error:
        raise UsageError(f"the cron line {line!r} never comes true") from error
    except ValueError as error:  # croniter's
        raise UsageError(f"{line!r} is no cron line: {error}") from error


def next_time(schedule: Schedule, after: datetime) -> datetime:
    """The first time later than `after` (UTC) of a schedule by cron or interval."""
    if schedule.every_s is not None:
        step = timedelta(seconds=schedule.every_s)
        return schedule.created_at + step * max(1, (after - schedule.created_at) // step + 1)
    assert schedule.cron is not None
    return _next_cron(schedule.cron, ZoneInfo(schedule.tz), after)


def times(schedule: Schedule, first: datetime, last: datetime) -> Iterator[datetime]:
    """The times from `first` (itself one) to `last`, ascending."""
    moment = first
    while moment <= last:
        yield moment
        moment = next_time(schedule, moment)


def newest(schedule: Schedule, first: datetime, now: datetime) -> datetime:
    """The last time that has come, `first` being one: without going through all since, which may be years."""
    window = timedelta(hours=2)
    while now - window > first:
        start = next_time(schedule, now - window)
        if start <= now:
            first = start
            break
        window *= 20
    *_, found = times(schedule, first, now)
    return found


@functools.lru_cache(maxsize=4096)
def _next_cron(line: str, zone: ZoneInfo, after: datetime) -> datetime:
    from croniter import croniter

    if not _every_hour(line):
        clock = after.astimezone(zone).replace(tzinfo=None) - timedelta(hours=2)  # a change may have put it back
        wanted = croniter(line, clock, max_years_between_matches=LONGEST_YEARS)
        while True:
            # Of a time that comes twice, zoneinfo takes the first; one that doesn't come it reads by the old offset.
            moment = wanted.get_next(datetime).replace(tzinfo=zone).astimezone(UTC)
            if moment > after:
                return moment
    offset = after.astimezone(zone).utcoffset() or timedelta()
    found = _by_offset(line, after, offset)
    changed = found.astimezone(zone).utcoffset() or timedelta()
    if changed == offset:
        return found
    change = _change(zone, after, found, offset)
    return _by_offset(line, change - timedelta(microseconds=1), changed)


def _by_offset(line: str, after: datetime, offset: timedelta) -> datetime:
    """The next time, on a clock with a fixed offset."""
    from croniter import croniter

    clock = (after + offset).replace(tzinfo=None)
    moment: datetime = croniter(line, clock, max_years_between_matches=LONGEST_YEARS).get_next(datetime)
    return moment.replace(tzinfo=UTC) - offset


def _change(zone: ZoneInfo, before: datetime, after: datetime, offset: timedelta) -> datetime:
    """The moment between the two at which the zone's offset stops being `offset`."""
    while after - before > timedelta(seconds=1):
        middle = before + (after - before) / 2
        if middle.astimezone(zone).utcoffset() == offset:
            before = middle
        else:
            after = middle
    return after.replace(microsecond=0)


def _every_hour(line: str) -> bool:
    return line.lower() == "@hourly" or line.split()[1:2] in (["*"], ["*/1"])
