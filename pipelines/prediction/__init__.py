"""Images to poses, written once: for validation, evaluation, ceiling, exports, the served model.

In: images (and people in boxes), a network or the truth, a codec. Out: poses by image. May import
host, recipe, intake, tracking. A photo, a folder or a video is another source of files, a detector
another source of boxes; images at hand have readers (`named.open_reader`). A change re-trains and
evaluates all recipes; in crop_feed or image_feed, those that are fed so; in readers, nothing.
"""
