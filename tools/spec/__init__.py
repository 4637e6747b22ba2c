"""In: a published OpenAPI description and our reviewed YAML. Out: `openapi.json`."""
