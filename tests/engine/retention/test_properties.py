"""What holds for every installation and every rule, whatever hypothesis thinks of."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from dataprotect.engine.retention import BackupFacts, HoldFacts, LogFacts, RetentionRules, decide

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
INSTANT = timedelta(microseconds=1)
ZONES = ("UTC", "Europe/Berlin", "America/Sao_Paulo", "Pacific/Apia", "Asia/Kathmandu")
PROOFS = ("unproved", "checked", "restore_tested", "damaged", "missing")
GOOD = ("checked", "restore_tested")

rules_of = st.builds(
    RetentionRules,
    keep_daily_days=st.integers(0, 40),
    keep_weekly_days=st.integers(0, 100),
    keep_monthly_days=st.integers(0, 400),
    keep_yearly_days=st.integers(0, 3000),
    minimum_restore_tested=st.integers(0, 3),
    log_window_days=st.integers(0, 20),
    keep_all_days=st.integers(0, 3),
    timezone=st.sampled_from(ZONES),
    keep_everything=st.sampled_from((False, False, False, True)),
)


@st.composite
def backups_of(draw: st.DrawFn, condemned: bool = True) -> list[BackupFacts]:
    """Up to 25 backups in chains of any shape, some with a parent that is gone, over up to nine years."""
    hours = sorted(draw(st.lists(st.integers(0, 24 * 365 * 9), max_size=25, unique=True)), reverse=True)
    step = draw(st.sampled_from((1, 24, 200)))
    found: list[BackupFacts] = []
    for number, ago in enumerate(hours):
        parents = draw(st.lists(st.sampled_from(found), max_size=3, unique=True)) if found else []
        names = tuple(parent.backup_id for parent in parents)
        if draw(st.integers(0, 19)) == 0:
            names = (*names, "gone")
        position = number * 100
        found.append(
            BackupFacts(
                f"b{number}",
                "incremental" if names else "full",
                names,
                NOW - timedelta(hours=ago * step / 200),
                draw(st.sampled_from(PROOFS)),
                position + draw(st.integers(0, 30)),
                position + draw(st.integers(31, 60)),
                system_identifier=draw(st.sampled_from("12")),
                condemned=condemned and draw(st.integers(0, 9)) == 0,
            )
        )
    return found


@st.composite
def holds_of(draw: st.DrawFn, backups: list[BackupFacts]) -> list[HoldFacts]:
    names: list[str | None] = [backup.backup_id for backup in backups]
    found = []
    for number in range(draw(st.integers(0, 2))):
        scope = draw(st.sampled_from([*names, None, "elsewhere"]))
        until = draw(st.sampled_from((None, NOW - timedelta(days=1), NOW + timedelta(days=30))))
        found.append(HoldFacts(f"M-{number}", "why", "who", scope, until))
    return found


@st.composite
def worlds(draw: st.DrawFn) -> tuple[RetentionRules, list[BackupFacts], list[HoldFacts]]:
    backups = draw(backups_of())
    return draw(rules_of), backups, draw(holds_of(backups))


log_of = st.lists(st.tuples(st.integers(0, 2600), st.integers(1, 80), st.sampled_from("123")), max_size=12)
World = tuple[RetentionRules, list[BackupFacts], list[HoldFacts]]


def kept(world: World, at: datetime = NOW) -> set[str]:
    rules, backups, holds = world
    return set(decide(rules=rules, backups=backups, holds=holds, at=at).kept)


def is_sound(backup: BackupFacts, by_id: dict[str, BackupFacts]) -> bool:
    """An own reading of "good", by plain recursion."""
    return backup.proof in GOOD and all(
        name in by_id and is_sound(by_id[name], by_id) for name in backup.parents
    )


@given(worlds())
def test_a_parent_of_what_stays_is_never_expired(world: World) -> None:
    staying = kept(world)
    for backup in world[1]:
        if backup.backup_id in staying:
            assert set(backup.parents) - {"gone"} <= staying


@given(worlds())
def test_deciding_again_after_it_was_done_expires_nothing_more(world: World) -> None:
    rules, backups, holds = world
    staying = kept(world)
    left = [backup for backup in backups if backup.backup_id in staying]
    assert kept((rules, left, holds)) == staying


@given(worlds(), st.integers(0, 24 * 4000))
def test_time_alone_never_brings_a_backup_back(world: World, hours: int) -> None:
    assert kept(world, NOW + timedelta(hours=hours)) <= kept(world)


@given(worlds())
def test_the_last_good_copy_stays_with_all_it_needs(world: World) -> None:
    by_id = {backup.backup_id: backup for backup in world[1]}
    sound = [backup for backup in world[1] if is_sound(backup, by_id)]
    assume(sound)
    wanted = [backup for backup in sound if not backup.condemned]
    newest = (wanted or sound)[-1]
    assert {newest.backup_id, *newest.parents} <= kept(world)


@given(worlds())
def test_while_nothing_is_good_nothing_but_what_two_persons_condemned_goes(world: World) -> None:
    by_id = {backup.backup_id: backup for backup in world[1]}
    assume(not any(is_sound(backup, by_id) for backup in world[1]))
    assert {backup.backup_id for backup in world[1] if not backup.condemned} <= kept(world)


@given(worlds())
def test_holds_win(world: World) -> None:
    _, backups, holds = world
    staying = kept(world)
    for hold in holds:
        if hold.until is None or hold.until > NOW:
            held = [b for b in backups if hold.backup_id in (None, b.backup_id)]
            assert {backup.backup_id for backup in held} <= staying


@given(worlds(), st.integers(0, 24 * 365 * 9), st.sampled_from(("damaged", "unproved", "missing")))
def test_a_backup_that_is_not_good_never_makes_another_one_go(world: World, hours: int, proof: str) -> None:
    rules, backups, holds = world
    bad = BackupFacts("bad", "full", (), NOW - timedelta(hours=hours, seconds=1), proof)  # type: ignore[arg-type]
    assert kept(world) <= kept((rules, [*backups, bad], holds))


@given(worlds(), st.data())
def test_damage_never_makes_a_good_one_elsewhere_go(world: World, data: st.DataObject) -> None:
    """A backup that turns out damaged takes its dependents' standing with it, and nobody else's."""
    rules, backups, holds = world
    assume(backups)
    victim = data.draw(st.sampled_from(backups))
    after = [replace(b, proof="damaged") if b is victim else b for b in backups]
    by_id = {backup.backup_id: backup for backup in after}
    sound = {backup.backup_id for backup in after if is_sound(backup, by_id)}
    assert kept(world) & sound <= kept((rules, after, holds))


@given(worlds())
def test_without_a_policy_only_what_two_persons_condemned_goes(world: World) -> None:
    rules, backups, holds = world
    rules = replace(rules, keep_everything=True)
    going = decide(rules=rules, backups=backups, holds=holds, at=NOW).expired
    assert set(going) <= {backup.backup_id for backup in backups if backup.condemned}


@given(worlds())
def test_no_backup_stays_without_a_reason_nor_goes_without_one(world: World) -> None:
    rules, backups, holds = world
    for verdict in decide(rules=rules, backups=backups, holds=holds, at=NOW).backups:
        assert verdict.reasons and all(verdict.sentences)
        assert verdict.keep or verdict.goes_on is None


@given(worlds())
def test_the_date_on_which_it_goes_is_the_date(world: World) -> None:
    """Kept one instant before, expired then: unless what is newest by then is the last of its kind."""
    rules, backups, holds = world
    for verdict in decide(rules=rules, backups=backups, holds=holds, at=NOW).backups:
        if verdict.keep and verdict.goes_on is not None:
            assert verdict.name in kept(world, verdict.goes_on - INSTANT)
            assert verdict.name not in kept(world, verdict.goes_on)


@given(worlds(), log_of)
@settings(max_examples=200)
def test_log_that_a_base_needs_and_log_of_the_window_stays(
    world: World, pieces: list[tuple[int, int, str]]
) -> None:
    rules, backups, holds = world
    logs = [
        LogFacts(f"l{n}", "wal", 1, system, start, start + length)
        for n, (start, length, system) in enumerate(pieces)
    ]
    decision = decide(rules=rules, backups=backups, holds=holds, logs=logs, at=NOW)
    going = {verdict.name for verdict in decision.logs if not verdict.keep}
    by_id = {backup.backup_id: backup for backup in backups}
    sound = [backup for backup in backups if is_sound(backup, by_id) and not backup.condemned]
    for item in logs:
        if item.name in going:
            assert decision.good, "with nothing good, no log goes"
            assert item.system_identifier in {backup.system_identifier for backup in backups}
            assert not any(own(backup, item) for backup in backups)
            assert not any(serves(backup, sound, rules, item) for backup in sound)


def own(backup: BackupFacts, item: LogFacts) -> bool:
    assert backup.start_position is not None and backup.stop_position is not None
    return (
        backup.system_identifier == item.system_identifier
        and backup.start_position < item.end
        and backup.stop_position > item.start
    )


def serves(backup: BackupFacts, sound: list[BackupFacts], rules: RetentionRules, item: LogFacts) -> bool:
    """Is an instant of the window reached from this base, with this object?"""
    begins = NOW - timedelta(days=rules.log_window_days)
    following = [other.stopped_at for other in sound if other.stopped_at > backup.stopped_at]
    reached = not following or following[0] > begins
    assert backup.start_position is not None
    return reached and backup.system_identifier == item.system_identifier and item.end > backup.start_position
