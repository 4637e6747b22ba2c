"""What sends the rows of a run: each in a call, the texts of several in a call, or all in batches."""

from __future__ import annotations

from collections.abc import Callable

from kosha_connector_openai.flows.bulk.batch_file import OpenBatches, batch_target
from kosha_connector_openai.flows.bulk.entry import RowState
from kosha_connector_openai.flows.bulk.job import RowJob
from kosha_connector_openai.flows.bulk.ledger import Ledger
from kosha_connector_openai.flows.bulk.row import Start
from kosha_connector_openai.flows.bulk.runner import Runner


def runner_of(job: RowJob, ledger: Ledger) -> Callable[..., Runner]:
    """Makes the runner of a run."""
    if job.options.via == "batch":
        from kosha_connector_openai.flows.bulk.batches import batch_runner_by

        return batch_runner_by(batch_target(job.target), lambda: job.feed(ledger, Start()), job.rows_of)
    rules = job.target.connector.outputs.part.together.get(job.target.name) if job.target.single else None
    if rules is None:
        return Runner
    from kosha_connector_openai.flows.bulk.together import runner_by

    return runner_by(rules)


def recover(job: RowJob, ledger: Ledger) -> None:
    """Rows that an ended process had sent: what became of them is unknown, but of those in batches."""
    if job.options.via == "batch":
        OpenBatches(ledger).recover()
    else:
        ledger.move(RowState.SENT, RowState.UNKNOWN, "process_ended")
