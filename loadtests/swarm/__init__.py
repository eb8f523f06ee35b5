"""What the Locust script is made of: users, a schedule, one tally of all processes, a verdict."""
