"""Plans on the street: records, safety at the door, groups, schedules, switches, alarms.

Pure code: events in, state out; time comes with every call.
"""
