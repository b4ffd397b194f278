"""Which code decides a result, as digests that DVC's stages depend on.

In: recipes, menus, source files as text. Out: per stage {file, line of a menu or variant: sha256}.
May import: host, recipe; nothing that it digests but the menus.
A change in here re-runs: the stages whose digests come out otherwise, none where they do not.
"""
