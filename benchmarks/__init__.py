"""The budgets, measured: ``python -m benchmarks``. Run it with nothing else running."""
