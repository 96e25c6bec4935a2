"""The proof of compose/: `make test-compose`. `make test` leaves this folder alone."""
