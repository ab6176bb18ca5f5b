"""The protocol of UmaDB, `umadb.v1.DCB`, as its project publishes it, and the code that protoc makes of it.

`umadb.proto` is that of umadb-io/umadb, of version 0.7.3; it may be used under the MIT licence (`LICENSE-umadb`) or the Apache
licence 2.0. `umadb_pb2.py` and `umadb_pb2.pyi` are made of it, in this directory, and are not edited:

    python -m grpc_tools.protoc -I. --python_out=. --pyi_out=. umadb.proto

grpcio-tools 1.73 made them: what a newer one makes would need a newer protobuf, too.
"""
