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
from .._auth.permissions import OFFBOARD, lacks_permission
from .._errors import InternalError, MdeError
from .._http.retry import RetryBudget
from .external_id import ExternalIds
from .run_control import RunControl
from .submission import RECONCILE_DELAYS, Submission, SubmissionState
from .workers import WorkerPool

# So many attempts in question are settled at once; fewer wait for the end of the list, where the same looks serve all.
_RECONCILE_THRESHOLD: t.Final = 40


class Dispatcher:
    """The attempts of one run, on their way."""

    def __init__(self, client: MdeClient, pool: WorkerPool, control: RunControl, external_ids: ExternalIds) -> None:
        self._client = client
        self._external_ids = external_ids
        self._pool = pool
        self._control = control
        self._ready: deque[Submission] = deque()
        self._stale: deque[Submission] = deque()
        self._in_doubt: deque[Submission] = deque()

    def run(self, batches: t.Iterator[t.Sequence[Submission]]) -> None:
        """Bring all attempts to their end. The next batch is asked for when there is nothing else to send."""
        more = True
        while more:
            queue = self._work_queue(batches)
            self._send_alone(queue)
            self._pool.for_each(self._send, queue)
            self._reconcile_in_doubt()
            more = bool(self._ready or self._stale)

    def _send_alone(self, queue: t.Iterator[Submission]) -> None:
        """Send one request at a time until it is known whether the service accepts external IDs.

        A service that refuses them then costs one more call in a run, and not one for each thread. A request whose
        outcome is in doubt shows nothing, and the others do not wait for it.
        """
        while self._external_ids.accepted is None and not self._in_doubt:
            submission = next(queue, None)
            if submission is None:
                return
            self._send(submission)

    def _work_queue(self, batches: t.Iterator[t.Sequence[Submission]]) -> t.Iterator[Submission]:
        """What is to be sent next, for as long as there is something; asked by one thread at a time."""
        while True:
            while self._ready:
                yield self._ready.popleft()
            if len(self._in_doubt) >= _RECONCILE_THRESHOLD:
                self._reconcile_in_doubt()
            elif self._stale:
                self._reevaluate_stale()
            else:
                batch = next(batches, None)
                if batch is None:
                    return
                self._ready.extend(batch)

    def _send(self, submission: Submission) -> None:
        """One POST, in any of the threads."""
        if self._control.stopped_by is not None:
            self._abandon(submission, self._control.stopped_by)
            return
        try:
            submission.send()
        except Exception as error:  # the last resort: a mistake of ours must not lose what was done for others
            submission.abandon(InternalError(error))  # nothing was sent, or an earlier try is in question and stays so
        if submission.state is SubmissionState.STALE:
            self._stale.append(submission)
        elif submission.state is SubmissionState.IN_DOUBT:
            self._in_doubt.append(submission)
        elif submission.result is not None and submission.result.error is not None:
            self._record_refusal(submission.result.error)

    @staticmethod
    def _abandon(submission: Submission, stopped_by: MdeError) -> None:
        submission.abandon(stopped_by, "refused" if stopped_by.code == "permission_missing" else "error")

    def _record_refusal(self, error: MdeError) -> None:
        # One device may be closed to us and the next one open, unless the token may offboard none.
        if error.code != "permission_missing" or lacks_permission(self._client.session.claims, OFFBOARD):
            self._control.stop_if_fatal(error)

    def _reevaluate_stale(self) -> None:
        """Read the actions of what was held back once more: somebody else may have been here meanwhile."""
        if self._control.stopped_by is not None:  # the read would only wait for the same once more
            for submission in _pop_left(self._stale, len(self._stale)):
                self._abandon(submission, self._control.stopped_by)
            return
        for submission, snapshot in self._read_snapshots(
            _pop_left(self._stale, self._control.next_batch_size(reads=1))
        ):
            if isinstance(snapshot, MdeError):
                self._control.stop_if_fatal(snapshot)
                submission.abandon(snapshot)
            else:
                submission.reevaluate(snapshot)
            if submission.state is SubmissionState.READY:
                self._ready.append(submission)

    def _reconcile_in_doubt(self) -> None:
        """Look at what is in question until each shows its own action, for as long as the lists may lag behind.

        Afterwards each has ended, or is ready to be sent again, since it is certain enough that nothing was taken.
        """
        in_doubt = _pop_left(self._in_doubt, len(self._in_doubt))
        budget = self._client.session.budget()  # one for all looks: an outage is waited for once
        for delay in RECONCILE_DELAYS if in_doubt else ():
            self._client.session.clock.sleep(delay)
            for submission, snapshot in self._read_snapshots(in_doubt, budget):
                submission.reconcile(None if isinstance(snapshot, MdeError) else snapshot)
            in_doubt = [submission for submission in in_doubt if submission.state is SubmissionState.IN_DOUBT]
            if not in_doubt:
                return
        for submission in in_doubt:
            submission.finish_reconciliation()
            if submission.state is SubmissionState.READY:
                self._ready.append(submission)

    def _read_snapshots(
        self, submissions: t.Sequence[Submission], budget: RetryBudget | None = None
    ) -> list[tuple[Submission, ActionSnapshot | MdeError]]:
        """What is known now of each, or why nothing is."""
        try:
            snapshots = self._client.get_offboard_actions(
                [submission.machine.id for submission in submissions], budget=budget
            )
        except MdeError as error:
            return [(submission, error) for submission in submissions]
        except Exception as error:  # a mistake of ours is a look that failed: what was sent stays in question
            mistake = InternalError(error)
            return [(submission, mistake) for submission in submissions]
        return [(submission, snapshots[submission.machine.id]) for submission in submissions]


def _pop_left(queue: deque[Submission], count: int) -> list[Submission]:
    """The first of a line, to which other threads may add at any time."""
    return [queue.popleft() for _index in range(min(count, len(queue)))]
