"""What every room stands on: the machine's files, folders, processes, and the commands' frame.

In: paths, commands, signals, S3 addresses. Out: folders that are whole or absent, exit codes,
progress lines, digests of files, which file imports which.
May import: nothing of the other rooms; data.files and data.ground.
A change in here re-runs what reaches the file: `folders`, `tensors` nearly all; `s3` fetch;
`command` compare and promote; `imports`, `lineage` promote; `onnx_session` detect; the others
nothing.
"""
