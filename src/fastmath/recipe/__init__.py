"""Every setting of a recipe: its name, default, meaning and check, and how a YAML file is read into them.

This room loads no model, data set or engine, and imports nothing heavier than pydantic and YAML.
"""
