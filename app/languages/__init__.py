"""Romanian and Russian: catalogues of messages, and schedules in words. English stands in the code."""
