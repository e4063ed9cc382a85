"""The drift of many jobs over time, from the summaries of `tabkd score`."""
