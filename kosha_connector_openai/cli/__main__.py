"""``python -m kosha_connector_openai.cli`` is ``kosha-openai``."""

from kosha_connector_openai.cli import main

if __name__ == "__main__":
    main()
