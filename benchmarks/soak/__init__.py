"""Hours of mixed work in minutes: what grows, what is lost, what is wrong."""
