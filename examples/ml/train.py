#!/usr/bin/env python3
"""Trains a forecast of trips by area and hour on the stored results.

train.py [RESULTS.DB] [MODEL.joblib]     needs scikit-learn: pip install scikit-learn

Reads the public view areahour (queries.yaml beside this file). The last week is left out, so that the forecast of that
week, which ml.yaml asks for, is of hours that the model has not seen.
"""

import datetime
import os
import sqlite3
import sys

import joblib
import numpy
from sklearn.ensemble import HistGradientBoostingRegressor

COLUMNS = ["area", "hour_of_day", "weekday", "week_ago", "day_ago"]
WEEK = 168


def counts(path):
    """Trips by hour since the first and by area, the areas, and the first hour; hours are those of the clock on the wall."""
    database = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    rows = database.execute(
        "SELECT substr(window_start, 1, 13), pickup_community_area, sum(trips) FROM areahour GROUP BY 1, 2").fetchall()
    if not rows:
        sys.exit("train.py: the view areahour is empty: run taxi-cli stream with examples/ml/queries.yaml first")
    hours = [datetime.datetime.strptime(hour, "%Y-%m-%dT%H") for hour, _, _ in rows]
    first, last = min(hours), max(hours)
    areas = sorted({area for _, area, _ in rows})
    column = {area: index for index, area in enumerate(areas)}
    table = numpy.zeros((int((last - first).total_seconds()) // 3600 + 1, len(areas)))
    for hour, (_, area, trips) in zip(hours, rows):
        table[int((hour - first).total_seconds()) // 3600, column[area]] = trips
    return table, areas, first


def examples(table, areas, first):
    """A row for each hour and area that has a week before it and a week behind it, and how many trips there were."""
    rows, wanted = [], []
    for hour in range(WEEK, len(table) - WEEK):
        time = first + datetime.timedelta(hours=hour)
        weekday = (time.weekday() + 1) % 7  # as SQLite's %w: 0 is Sunday
        for index, area in enumerate(areas):
            rows.append((area, time.hour, weekday, table[hour - WEEK, index], table[hour - 24, index]))
            wanted.append(table[hour, index])
    return numpy.array(rows, dtype=float), numpy.array(wanted)


def main():
    home = os.environ.get("TAXI_HOME") or os.path.expanduser("~/.local/share/taxi-cli")
    path = sys.argv[1] if len(sys.argv) > 1 else f"{home}/{os.environ.get('TAXI_TENANT', 'chicago')}/results.db"
    model_path = sys.argv[2] if len(sys.argv) > 2 else os.path.join(os.path.dirname(os.path.abspath(__file__)), "demand.joblib")
    table, areas, first = counts(path)
    rows, wanted = examples(table, areas, first)
    if len(rows) == 0:
        sys.exit(f"train.py: {len(table)} hours are too few: a forecast needs more than two weeks")
    model = HistGradientBoostingRegressor(loss="poisson", max_iter=200, learning_rate=0.08, random_state=1)
    model.fit(rows, wanted)
    joblib.dump(model, model_path)
    print(f"{model_path}: trained on {len(rows)} hours of {len(areas)} areas")


if __name__ == "__main__":
    main()
