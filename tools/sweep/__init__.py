"""The sweep: every operation of any folder of descriptions, sent to a recorder and compared with what an independent reader expects."""
