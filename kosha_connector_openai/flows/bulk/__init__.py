"""Rows in, rows out: an action, a task or a workflow over a file or a table, kept in a ledger, paced, and never paid for twice.

``Bulk`` is for threads, ``AsyncBulk`` for event loops. A row is claimed before it leaves and done when its answer is kept.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kosha_connector_openai._face import face

if TYPE_CHECKING:
    from kosha_connector_openai.flows.bulk.batch_file import *
    from kosha_connector_openai.flows.bulk.batch_job import *
    from kosha_connector_openai.flows.bulk.bulk import *
    from kosha_connector_openai.flows.bulk.entry import *
    from kosha_connector_openai.flows.bulk.files import *
    from kosha_connector_openai.flows.bulk.kept_rows import *
    from kosha_connector_openai.flows.bulk.ledger import *
    from kosha_connector_openai.flows.bulk.mapping import *
    from kosha_connector_openai.flows.bulk.opening import *
    from kosha_connector_openai.flows.bulk.options import *
    from kosha_connector_openai.flows.bulk.output import *
    from kosha_connector_openai.flows.bulk.pace import *
    from kosha_connector_openai.flows.bulk.progress import *
    from kosha_connector_openai.flows.bulk.row import *
    from kosha_connector_openai.flows.bulk.rows import *
    from kosha_connector_openai.flows.bulk.span_worker import *
    from kosha_connector_openai.flows.bulk.spending import *
    from kosha_connector_openai.flows.bulk.sqlite import *
    from kosha_connector_openai.flows.bulk.status import *
    from kosha_connector_openai.flows.bulk.targets import *
    from kosha_connector_openai.flows.bulk.temporal import *
    from kosha_connector_openai.flows.bulk.threads import *
else:
    __getattr__, __all__ = face(
        __name__,
        {
            "batch_file": "RowBatch open_batches",
            "batch_job": "cancel_batches",
            "bulk": "AsyncBulk",
            "files": "kept_options open_run output_of",
            "kept_rows": "source_of",
            "entry": "RowAnswer RowEntry RowState",
            "ledger": "Ledger",
            "mapping": "MapRule",
            "opening": "dsn_of ledger_of open_ledger shared_ledger",
            "options": "BulkResult RowCheck RowOptions SendOptions",
            "output": "export failed_path",
            "pace": "Pace",
            "progress": "RunProgress",
            "row": "Format",
            "rows": "open_source",
            "spending": "KeptBudget",
            "sqlite": "SqliteLedger",
            "status": "row_values run_status settings_of",
            "targets": "target_schema",
            "span_worker": "SpanWorker",
            "temporal": "cancel_on_temporal",
            "threads": "Bulk",
        },
    )
