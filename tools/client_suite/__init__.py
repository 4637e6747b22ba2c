"""The vendor's own Python client against the sandbox, by the tests that its source distribution carries."""
