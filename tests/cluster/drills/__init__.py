"""What is broken on purpose while people work, and what must hold all the same.

`python -m tests.cluster.drills LAB` runs in a lab's namespaces against a converged cluster. Each
drill breaks one thing under continuous load, waits until the product has healed, and compares
every operation that was acknowledged with what is there (ledger, verify).
"""
