"""Where the demo puts its server, and how it tells amounts."""

from __future__ import annotations

import os
import shutil
import socket
from pathlib import Path

import pytest

from dataprotect.core.errors import ForeseenError
from dataprotect.core.wording import counted
from restores.demo.places import choose_place
from restores.demo.server import free_port
from restores.demo.story import amount, tally

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root runs servers as somebody else")


def test_the_server_lives_below_the_home(home: Path) -> None:
    place = choose_place(home)
    assert place.folder == home / "demo" / "server"
    assert place.folder.stat().st_uid == place.account.uid
    assert place.folder.stat().st_mode & 0o777 == 0o700
    assert place.why == ""


@as_root
def test_a_home_the_server_cannot_reach_sends_it_to_var_tmp(workdir: Path) -> None:
    hidden = workdir / "hidden"
    home = hidden / "home"
    home.mkdir(parents=True, mode=0o700)
    hidden.chmod(0o700)
    place = choose_place(home)
    try:
        assert place.folder.parent == Path("/var/tmp")
        assert str(place.folder) in place.why and "cannot walk" in place.why
        assert hidden.stat().st_mode & 0o777 == 0o700, "nothing above the home is opened"
        assert choose_place(home).folder == place.folder, "the same one next time"
    finally:
        shutil.rmtree(place.folder)
        shutil.rmtree(hidden)


@as_root
def test_a_folder_of_somebody_else_is_refused(home: Path) -> None:
    folder = home / "demo" / "server"
    folder.mkdir(parents=True)
    os.chown(folder, 65534, 65534)
    with pytest.raises(ForeseenError) as refusal:
        choose_place(home)
    assert refusal.value.code == "demo.place"


def test_a_taken_port_is_not_chosen() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert free_port(port) != port
    assert free_port(0) > 1024


@pytest.mark.parametrize(
    ("size", "words"),
    [(0, "0 B"), (999, "999 B"), (10_240, "10.0 KiB"), (253_367_558, "242 MiB"), (1 << 40, "1,024 GiB")],
)
def test_amounts_are_told_in_the_unit_that_fits(size: int, words: str) -> None:
    assert amount(size) == words


def test_counting() -> None:
    assert counted(1, "check") == "1 check"
    assert counted(12_000, "check") == "12,000 checks"
    assert tally([{"passed": True}, {"passed": None}, {"passed": False}, {"passed": True}]) == (2, 1, 1)
