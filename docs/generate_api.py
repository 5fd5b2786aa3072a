"""Writes ``docs/api.md`` from the proto files' descriptors and comments: ``make api``."""

import sys
import tempfile
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

from google.protobuf import descriptor_pb2 as d
from grpc_tools import protoc

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "api.md"
HEAD = """# API

Every call of both services, with every field. Generated from `proto/` by `make api`; do not edit.
Errors carry `google.rpc.ErrorInfo`, and `BadRequest` where a field is wrong.
"""
KINDS = {number: name for name, number in d.FieldDescriptorProto.Type.items()}


def descriptors() -> d.FileDescriptorSet:
    """Compile all proto files, with their comments."""
    names = sorted(
        str(path.relative_to(ROOT / "proto")) for path in (ROOT / "proto").rglob("*.proto")
    )
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "set"
        own = str(files("grpc_tools") / "_proto")
        words = ["protoc", f"-I{ROOT / 'proto'}", f"-I{own}", f"--descriptor_set_out={out}"]
        if protoc.main([*words, "--include_source_info", *names]) != 0:
            raise SystemExit("the proto files do not compile")
        return d.FileDescriptorSet.FromString(out.read_bytes())


class Page:
    """The page of one proto file."""

    def __init__(self, file: d.FileDescriptorProto) -> None:
        self._file = file
        self._comments = {
            tuple(row.path): " ".join((row.leading_comments or row.trailing_comments).split())
            for row in file.source_code_info.location
        }

    def comment(self, path: tuple[int, ...]) -> str:
        """Return the comment of a part of the file, by its path in the descriptor."""
        return self._comments.get(path, "")

    def lines(self) -> Iterator[str]:
        """Yield the page, line by line: calls first, then messages, then enums."""
        for s, service in enumerate(self._file.service):
            yield f"## {self._file.package}.{service.name}"
            yield self.comment((6, s))
            for m, method in enumerate(service.method):
                yield f"### {method.name}"
                yield self._call(method)
                yield self.comment((6, s, 2, m))
        yield f"## Messages of {self._file.package}"
        for k, message in enumerate(self._file.message_type):
            yield from self._message(message, (4, k), "")
        for k, enum in enumerate(self._file.enum_type):
            yield from self._enum(enum, (5, k), "")

    def _call(self, method: d.MethodDescriptorProto) -> str:
        asked, answered = (self._link(name) for name in (method.input_type, method.output_type))
        asked = f"stream of {asked}" if method.client_streaming else asked
        answered = f"stream of {answered}" if method.server_streaming else answered
        return f"{asked} → {answered}"

    def _link(self, full: str) -> str:
        name = full.removeprefix(f".{self._file.package}.")
        if full == f".{self._file.package}.{name}":
            return f"[{name}](#{self._anchor(name)})"
        return f"`{full.removeprefix('.')}`"

    def _anchor(self, name: str) -> str:
        return f"{self._file.package}-{name}".lower().replace(".", "-")

    def _heading(self, name: str) -> str:
        return f'<a id="{self._anchor(name)}"></a>\n\n### {name}'

    def _message(
        self, message: d.DescriptorProto, path: tuple[int, ...], outer: str
    ) -> Iterator[str]:
        name = f"{outer}{message.name}"
        yield self._heading(name)
        yield self.comment(path)
        rows = ["| field | type | meaning |", "|---|---|---|"]
        for k, field in enumerate(message.field):
            comment = self.comment((*path, 2, k)).replace("|", "\\|")
            rows.append(f"| `{field.name}` | {self._type(field)} | {comment} |")
        yield "\n".join(rows) if message.field else "No fields."
        for k, enum in enumerate(message.enum_type):
            yield from self._enum(enum, (*path, 4, k), f"{name}.")
        for k, inner in enumerate(message.nested_type):
            yield from self._message(inner, (*path, 3, k), f"{name}.")

    def _type(self, field: d.FieldDescriptorProto) -> str:
        name = (
            self._link(field.type_name)
            if field.type_name
            else KINDS[field.type].removeprefix("TYPE_").lower()
        )
        if field.label == d.FieldDescriptorProto.LABEL_REPEATED:
            return f"{name}, repeated"
        return f"{name}, one of" if field.HasField("oneof_index") else name

    def _enum(
        self, enum: d.EnumDescriptorProto, path: tuple[int, ...], outer: str
    ) -> Iterator[str]:
        yield self._heading(f"{outer}{enum.name}")
        yield self.comment(path)
        rows = ["| value | meaning |", "|---|---|"]
        for k, value in enumerate(enum.value):
            comment = self.comment((*path, 2, k)).replace("|", "\\|")
            rows.append(f"| `{value.name}` = {value.number} | {comment} |")
        yield "\n".join(rows)


def page() -> str:
    """Return the whole page."""
    parts = [HEAD.strip()]
    for file in descriptors().file:
        parts += [line for line in Page(file).lines() if line]
    return "\n\n".join(parts) + "\n"


def bare(package: str) -> Iterator[str]:
    """Yield the fields of a package's messages that have no comment."""
    for file in descriptors().file:
        if file.package == package:
            own = Page(file)
            for k, message in enumerate(file.message_type):
                for n, field in enumerate(message.field):
                    if not own.comment((4, k, 2, n)):
                        yield f"{message.name}.{field.name}"


def main() -> int:
    """Write the page; ``--check``: is it current? ``--bare PACKAGE``: fields without comment."""
    if "--bare" in sys.argv:
        found = list(bare(sys.argv[-1]))
        print("\n".join(found))
        return 1 if found else 0
    text = page()
    if "--check" in sys.argv:
        if not PAGE.exists() or PAGE.read_text(encoding="utf-8") != text:
            print("docs/api.md differs from proto/: run 'make api'", file=sys.stderr)
            return 1
        return 0
    PAGE.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
