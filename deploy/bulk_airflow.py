"""Rows of a file by sixteen mapped tasks of Airflow, one for each share; a task that is started again goes on with its run.

OPENAI_API_KEY and LEDGER_DSN are in the workers' environment, from Airflow's secrets backend or the workers' own.
"""

from __future__ import annotations

from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import DAG

SHARES = 16
COMMAND = (
    "kosha-openai bulk run ask /data/questions.jsonl --map question=text --out /data/answers.jsonl"
    " --share {number}/{shares} --ledger env:LEDGER_DSN --go-on --quiet"
)

with DAG("kosha_bulk", schedule=None, catchup=False, max_active_tasks=SHARES):
    BashOperator.partial(task_id="share", retries=20, append_env=True).expand(
        bash_command=[COMMAND.format(number=number, shares=SHARES) for number in range(1, SHARES + 1)]
    )
