"""In: the published source of the vendor's Python client, never run. Out: an OpenAPI 3.1 description of its interface facts."""
