"""Which code decides a result, as digests that DVC's stages depend on.

In: recipes, the menus, the source files. Out: {file: sha256} per stage. May import host, recipe,
prediction's menu of feeds. A change in here re-runs the stages whose digests come out otherwise.
"""
