"""Each promise about speed as a command: ``python -m benchmarks [NAME ...]``. In: names of promises. Out: a table, or JSON."""
