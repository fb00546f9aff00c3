"""The operating profile: production until somebody says otherwise, and a loosening waits a day."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from django.contrib.auth.models import Permission, User

from dataprotect.core import clock
from dataprotect.core.errors import ForeseenError
from dataprotect.ops.models import AuditEvent
from dataprotect.ops.operating_profile import WORDS, Demand, OperatingProfile, Safeguard, safeguards_of
from dataprotect.ops.selectors import operating_profile, profile_chosen
from dataprotect.ops.services.profile import profile_choose

PRODUCTION, HOMELAB, SANDBOX = OperatingProfile
HOUR = timedelta(hours=1)


def test_production_requires_all_and_what_costs_only_an_answer_is_never_dropped() -> None:
    assert set(safeguards_of(PRODUCTION).values()) == {Demand.REQUIRED}
    for profile in OperatingProfile:
        demands = safeguards_of(profile)
        assert list(demands) == list(Safeguard) and set(WORDS) == set(Safeguard)
        for item in (Safeguard.INTEGRITY_VERIFIED, Safeguard.TARGET_CONFIRMED, Safeguard.STOP_CLEAR):
            assert demands[item] is Demand.REQUIRED, (profile, item)
    assert safeguards_of(HOMELAB)[Safeguard.CHANGE_TICKET] is Demand.IF_AVAILABLE
    assert safeguards_of(HOMELAB)[Safeguard.FRESH_BACKUP] is Demand.REQUIRED


@pytest.mark.django_db
def test_a_looser_profile_waits_and_a_stricter_one_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    start = clock.now()

    def choose(profile: OperatingProfile, after: timedelta) -> None:
        monkeypatch.setattr(clock, "now", lambda: start + after)
        profile_choose(actor="system:root", profile=profile)

    def stands(after: timedelta) -> OperatingProfile:
        return operating_profile(at=start + after)

    assert operating_profile() is PRODUCTION and profile_chosen() is None
    choose(HOMELAB, 0 * HOUR)
    assert stands(0 * HOUR) is HOMELAB, "the first answer stands at once"
    choose(PRODUCTION, 50 * HOUR)
    assert stands(50 * HOUR) is PRODUCTION
    choose(SANDBOX, 100 * HOUR)
    assert [stands(hours * HOUR) for hours in (100, 123, 124.1)] == [PRODUCTION, PRODUCTION, SANDBOX]
    choose(HOMELAB, 200 * HOUR)
    choose(SANDBOX, 201 * HOUR)
    assert [stands(hours * HOUR) for hours in (201, 224.5, 225.1)] == [HOMELAB, HOMELAB, SANDBOX]
    assert AuditEvent.objects.filter(verb="profile.chosen").count() == 5


@pytest.mark.django_db
def test_who_may_choose() -> None:
    anna, now = User.objects.create_user("anna"), clock.now()

    def refused(profile: str, fresh_at: datetime | None) -> str:
        with pytest.raises(ForeseenError) as error:
            profile_choose(actor=anna, profile=profile, fresh_at=fresh_at)
        return error.value.code

    assert refused("homelab", now) == "access.denied"
    anna.user_permissions.add(Permission.objects.get(codename="choose_profile"))
    anna = User.objects.get(pk=anna.pk)
    assert refused("homelab", None) == "access.step_up"
    assert refused("playground", now) == "input.profile"
    profile_choose(actor=anna, profile="homelab", fresh_at=now)
    assert operating_profile() is HOMELAB
