# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the secops.mde collection: it may change with any release.

"""Send many submissions; re-evaluate stale ones, reconcile those in doubt, many at a time.

A thread without work plans the next batch, so that decisions are made just before their POSTs are sent.
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

# This many submissions in doubt are reconciled immediately. Fewer wait for the end of the list, and share its reads.
_RECONCILE_THRESHOLD: t.Final = 40


class Dispatcher:
    """Sends the submissions of one run."""

    def __init__(self, client: MdeClient, pool: WorkerPool, control: RunControl, external_ids: ExternalIds) -> None:
        self._client = client
        self._external_ids = external_ids
        self._pool = pool
        self._control = control
        self._ready: deque[Submission] = deque()
        self._stale: deque[Submission] = deque()
        self._in_doubt: deque[Submission] = deque()

    def run(self, batches: t.Iterator[t.Sequence[Submission]]) -> None:
        """Finish all submissions. The next batch is planned when there is nothing else to send."""
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
        """Iterator over the submissions to send next; advanced by one thread at a time."""
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
        """Send one submission, in any of the threads."""
        if self._control.stopped_by is not None:
            self._abandon(submission, self._control.stopped_by)
            return
        try:
            submission.send()
        except Exception as error:  # the last resort: a bug here must not lose the results of others
            submission.abandon(InternalError(error))  # nothing was sent, or an earlier try stays in doubt
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
        # Other devices can still be accepted after a refusal, unless the token lacks the permission.
        if error.code != "permission_missing" or lacks_permission(self._client.session.claims, OFFBOARD):
            self._control.stop_if_fatal(error)

    def _reevaluate_stale(self) -> None:
        """Read the actions of stale submissions again: another application may have acted meanwhile."""
        if self._control.stopped_by is not None:  # the read would fail for the same reason
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
        """Read the actions of submissions in doubt until their own is found, for as long as the lists may lag behind.

        Afterwards each is done, or ready to be sent again because it was not accepted.
        """
        in_doubt = _pop_left(self._in_doubt, len(self._in_doubt))
        budget = self._client.session.budget()  # one for all reads, so that an outage is waited for only once
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
        """A new snapshot of each, or the error of the read."""
        try:
            snapshots = self._client.get_offboard_actions(
                [submission.machine.id for submission in submissions], budget=budget
            )
        except Exception as error:  # a bug here is a failed read too: what was sent stays in doubt
            failure = error if isinstance(error, MdeError) else InternalError(error)
            return [(submission, failure) for submission in submissions]
        return [(submission, snapshots[submission.machine.id]) for submission in submissions]


def _pop_left(queue: deque[Submission], count: int) -> list[Submission]:
    """The first items of a queue to which other threads may append."""
    return [queue.popleft() for _index in range(min(count, len(queue)))]
