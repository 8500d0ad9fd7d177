# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the secops.mde collection: it may change with any release.

"""Sending many offboards: each of them on its own, what they have to wait for together.

Whichever thread has run out of work fetches some more, so that decisions are made just ahead of the POSTs that rest on
them. What the pace held back for too long is weighed again, and what ended unclear is settled, many at a time.
"""

from __future__ import annotations

import typing as t
from collections import deque

from .._api.client import ActionSnapshot, MdeClient
from .._auth.permissions import OFFBOARD, READ, add_hint_for_403, lacks_permission
from .._auth.token import TokenClaims
from .._errors import InternalError, MdeError
from .._http.retry import RetryBudget, fatal_for_run
from .caller import AbandonedError
from .submission import LOOKS, Attempt, Stage
from .workers import Crew

# The service's ids: "in general 40 digits". Only the size of a batch rests on it.
_ID_LENGTH: t.Final = 40
# Seconds in which a batch should be sent by our own pace: half of what a decision is good for.
_AHEAD: t.Final = 60.0
# So many attempts in question are settled at once; fewer wait for the end of the list, where the same looks serve all.
_MANY: t.Final = 40


class Dispatch:
    """The attempts of one run, on their way."""

    def __init__(self, client: MdeClient, crew: Crew, claims: t.Callable[[], TokenClaims | None]) -> None:
        self.barred: MdeError | None = None
        """Why nothing more would get through: no token, no connection, no quota, no permission."""
        self._client = client
        self._crew = crew
        self._claims = claims
        self._ready: deque[Attempt] = deque()
        self._held: deque[Attempt] = deque()
        self._questions: deque[Attempt] = deque()

    def run(self, batches: t.Iterator[t.Sequence[Attempt]]) -> None:
        """Bring all attempts to their end. The next batch is asked for when there is nothing else to send."""
        more = True
        while more:
            self._crew.each(self._send, self._to_send(batches))
            self._settle_questions()
            more = bool(self._ready or self._held)

    def room(self, reads: int, posts: bool = True) -> int:
        """How many devices to read next: as many as a filter holds, and as can be sent while the reading is fresh.

        Returns when the first of them can be, so that nothing is read ahead of a long wait for the quota. ``reads`` is
        what the reading will cost; ``posts`` is false where nothing will be sent.
        """
        most = self._client.filter_batcher.capacity(_ID_LENGTH)
        if not posts:
            return most
        room = self._client.session.rate_limiter.wait_for_capacity(reads + 1, _AHEAD)
        return max(1, min(most, room - reads))

    def heed(self, error: MdeError) -> None:
        """See whether an error would hit everything else as well, and then let nothing more be tried."""
        if self.barred is None and (isinstance(error, AbandonedError) or fatal_for_run(error)):
            self.barred = error.for_skipped_devices()

    # -- the flow ------------------------------------------------------------------------------------------

    def _to_send(self, batches: t.Iterator[t.Sequence[Attempt]]) -> t.Iterator[Attempt]:
        """What is to be sent next, for as long as there is something; asked by one thread at a time."""
        while True:
            while self._ready:
                yield self._ready.popleft()
            if len(self._questions) >= _MANY:
                self._settle_questions()
            elif self._held:
                self._weigh_held()
            else:
                batch = next(batches, None)
                if batch is None:
                    return
                self._ready.extend(batch)

    def _send(self, attempt: Attempt) -> None:
        """One POST, in any of the threads."""
        if self.barred is not None:
            self._give_up(attempt, self.barred)
            return
        try:
            attempt.send()
        except Exception as error:  # the last resort: a mistake of ours must not lose what was done for others
            attempt.give_up(InternalError(error))  # nothing was sent, or an earlier try is in question and stays so
        if attempt.stage is Stage.HELD:
            self._held.append(attempt)
        elif attempt.stage is Stage.IN_QUESTION:
            self._questions.append(attempt)
        elif attempt.end is not None and attempt.end.error is not None:
            self._note_refusal(attempt.end.error)

    @staticmethod
    def _give_up(attempt: Attempt, barred: MdeError) -> None:
        attempt.give_up(barred, "refused" if barred.code == "permission_missing" else "error")

    def _note_refusal(self, error: MdeError) -> None:
        claims = self._claims()
        add_hint_for_403(error, OFFBOARD, claims)
        # One device may be closed to us and the next one open, unless the token may offboard none.
        if error.code != "permission_missing" or lacks_permission(claims, OFFBOARD):
            self.heed(error)

    def _weigh_held(self) -> None:
        """Read the actions of what was held back once more: somebody else may have been here meanwhile."""
        if self.barred is not None:  # the read would only wait for the same once more
            for attempt in _take(self._held, len(self._held)):
                self._give_up(attempt, self.barred)
            return
        for attempt, known in self._look_at(_take(self._held, self.room(reads=1))):
            if isinstance(known, MdeError):
                self.heed(known)
                attempt.give_up(known)
            else:
                attempt.weigh(known)
            if attempt.stage is Stage.READY:
                self._ready.append(attempt)

    def _settle_questions(self) -> None:
        """Look at what is in question until each shows its own action, for as long as the lists may lag behind.

        Afterwards each has ended, or is ready to be sent again, since it is certain enough that nothing was taken.
        """
        questions = _take(self._questions, len(self._questions))
        budget = self._client.session.budget()  # one for all looks: an outage is waited for once
        for pause in LOOKS if questions else ():
            self._client.session.clock.sleep(pause)
            for attempt, snapshot in self._look_at(questions, budget):
                attempt.look(None if isinstance(snapshot, MdeError) else snapshot)
            questions = [attempt for attempt in questions if attempt.stage is Stage.IN_QUESTION]
            if not questions:
                return
        for attempt in questions:
            attempt.conclude()
            if attempt.stage is Stage.READY:
                self._ready.append(attempt)

    def _look_at(
        self, attempts: t.Sequence[Attempt], budget: RetryBudget | None = None
    ) -> list[tuple[Attempt, ActionSnapshot | MdeError]]:
        """What is known now of each, or why nothing is."""
        try:
            known = self._client.get_offboard_actions([attempt.machine.id for attempt in attempts], budget=budget)
        except MdeError as error:
            add_hint_for_403(error, READ, self._claims())
            return [(attempt, error) for attempt in attempts]
        except Exception as error:  # a mistake of ours is a look that failed: what was sent stays in question
            mistake = InternalError(error)
            return [(attempt, mistake) for attempt in attempts]
        return [(attempt, known[attempt.machine.id]) for attempt in attempts]


def _take(line: deque[Attempt], count: int) -> list[Attempt]:
    """The first of a line, to which other threads may add at any time."""
    return [line.popleft() for _place in range(min(count, len(line)))]
