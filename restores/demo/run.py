"""The demo from first line to last: a server, its protection, the proofs, and the address."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command

from catalog.models import Instance
from catalog.services.access import terminal_operator
from catalog.services.keyring import keyring_ensure, keyring_path
from dataprotect.core.wording import counted
from dataprotect.ops import serving
from restores.demo import contents
from restores.demo.clones import drop_clones
from restores.demo.jobs import cancel_everything
from restores.demo.page import wait_for_page
from restores.demo.people import Person, people_ensure
from restores.demo.places import choose_place
from restores.demo.registration import instance_ensure, refuse_a_home_in_use, repository_ensure
from restores.demo.scene import Scene
from restores.demo.server import DemoServer, free_port
from restores.demo.stages import STAGES
from restores.demo.story import Story, amount

PREFERRED_PORT = 8000
INVENTORY = (
    "pgbench at scale 10, and a shop with foreign keys, identity columns,",
    "sequences ahead of their data, large objects, two extensions, views, a function,",
    "a trigger, a partitioned and an unlogged table, a tablespace, roles with grants",
)


@dataclass
class Demo:
    """One run. `close` may be called at any time, more than once, and leaves no process behind."""

    story: Story
    new_passwords: bool = False
    server: DemoServer | None = None
    supervisor: serving.Supervisor | None = None
    people: list[Person] = field(default_factory=list)
    address: str = ""
    ends: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)
    summary: dict[str, Any] = field(default_factory=dict)

    def prove(self) -> None:
        """Everything up to the address. Raises ForeseenError for what did not work."""
        began = time.monotonic()
        self.story.title("DataProtect: a real PostgreSQL, protected, restored and compared")
        self._home()
        server = self._server()
        self._people()
        instance = self._register(server)
        drop_clones()
        self._serve()
        self._play(server, instance)
        self.summary = {
            "proved": True, "seconds": round(time.monotonic() - began, 1), "address": self.address,
            "home": str(settings.DATAPROTECT_HOME), **self.summary,
        }  # fmt: skip

    def serve(self) -> None:
        """Until Ctrl-C, or until web or workers end by themselves, which is an error."""
        assert self.supervisor is not None  # noqa: S101
        self._show_the_way_in()
        self.supervisor.watch()

    def close(self) -> None:
        """Running jobs first, so that nothing is left half done; then the load, the processes, the clones
        that stand, and the server, whatever went wrong before.
        """
        with contextlib.ExitStack() as ends:
            if self.server is not None:
                ends.callback(self.server.stop)
            if self.supervisor is not None:
                ends.callback(drop_clones)
                ends.callback(self.supervisor.stop)
                ends.push(self.ends.pop_all())
                cancel_everything()

    def _home(self) -> None:
        story, actor = self.story, terminal_operator()
        story.chapter("This installation")
        call_command("migrate", interactive=False, verbosity=0)
        refuse_a_home_in_use()
        keyring_ensure(actor=actor)
        story.fact("home", str(settings.DATAPROTECT_HOME))
        story.fact("catalog", settings.DATABASES["default"]["ENGINE"].rpartition(".")[2])
        story.fact("key", f"{keyring_path()}, mode 0600, outside every repository")

    def _server(self) -> DemoServer:
        story = self.story
        story.chapter("A server worth protecting")
        self.server = server = DemoServer(choose_place(Path(settings.DATAPROTECT_HOME)))
        if server.place.why:
            story.say(server.place.why)
        if server.is_complete:
            server.start()
            story.say("The throwaway server of the last demo is here; it runs again.")
        else:
            story.say("Making a throwaway PostgreSQL and filling it, once. It takes some seconds.")
            server.create()
            server.start()
            contents.fill(server)
            server.mark_complete()
        databases, size = contents.count_contents(server)
        place = f"127.0.0.1:{server.port}, as user {server.place.account.name}, page checksums on"
        story.fact("PostgreSQL", f"{server.version()} on {place}")
        story.fact("files", str(server.place.data))
        story.fact("contents", f"{counted(databases, 'database')}, {amount(size)}")
        for line in INVENTORY:
            story.fact("", line)
        self.summary["server"] = {
            "version": server.version(), "port": server.port, "databases": databases, "bytes": size,
        }  # fmt: skip
        return server

    def _people(self) -> None:
        self.story.chapter("People")
        self.people = people_ensure(actor=terminal_operator(), new_passwords=self.new_passwords)
        if all(person.password is None for person in self.people):
            self.story.say("The people of the last demo are still here, with the passwords printed then.")
            self.story.say("New ones: make demo NEW_PASSWORDS=1")
        else:
            self.story.say("One person per role. These passwords are shown once and kept nowhere readable:")
            self._show_people()

    def _register(self, server: DemoServer) -> Instance:
        """Before anything serves: the collector must not try the port and the password of the last run."""
        self.story.chapter("What is protected, and where it is stored")
        password = contents.give_backup_user(server)
        repository = repository_ensure(server)
        instance = instance_ensure(server, repository, password)
        self.story.fact("repository", repository.url)
        self.story.fact("instance", f"{instance.name}, read by the user {instance.user}, who is no superuser")
        return instance

    def _serve(self) -> None:
        listen = f"127.0.0.1:{free_port(PREFERRED_PORT)}"
        plain = {"BEHIND_TLS": "false"}
        self.story.chapter("Pages, workers and the log collector")
        self.supervisor = serving.Supervisor(
            [serving.web(listen, plain), serving.workers(plain), serving.collector(plain)]
        )
        self.supervisor.start()
        self.address = f"http://{listen}/"
        seconds = wait_for_page(f"{self.address}login/", self.supervisor.check)
        self.story.proof(f"the sign-in page answers at {self.address} ({seconds:.1f} s after the start)")

    def _play(self, server: DemoServer, instance: Instance) -> None:
        assert self.supervisor is not None  # noqa: S101
        scene = Scene(self.story, server, instance, self.supervisor.check, self.ends, self.summary)
        for stage in STAGES:
            self.story.chapter(stage.title)
            self.summary |= stage.run(scene)

    def _show_people(self) -> None:
        rows = [
            (each.name, each.role, each.password.reveal() if each.password else "as printed before")
            for each in self.people
        ]
        self.story.table(("sign in as", "role", "password"), rows)

    def _show_the_way_in(self) -> None:
        story = self.story
        story.chapter("Look around")
        story.fact("address", self.address)
        if not any(person.password for person in self.people):
            self._show_people()
        else:
            story.say("Sign in as any of the people above; dba-lead may do the most.")
        story.fact("logs", f"{settings.DATAPROTECT_HOME}/logs")
        story.blank()
        story.say("Press Ctrl-C to stop everything that was started here.")
