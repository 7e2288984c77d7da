"""The dashboard and the alert rules, in Python; `python docs/generate.py` writes them into the chart."""
