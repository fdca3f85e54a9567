"""What is written in C; all else is in pyproject.toml, where setuptools calls such modules experimental still."""

from setuptools import Extension, setup

# Debian hardens its own packages by the same (dpkg-buildflags).
COMPILE = [
    "-O2",
    *("-Wall", "-Wextra", "-Werror", "-Wformat", "-Werror=format-security"),
    *("-fstack-protector-strong", "-fstack-clash-protection", "-U_FORTIFY_SOURCE", "-D_FORTIFY_SOURCE=2"),
]
LINK = ["-Wl,-z,relro,-z,now"]

setup(
    ext_modules=[
        Extension(
            "agent.streams.fan_loop",
            ["agent/streams/fan_loop.c"],
            extra_compile_args=COMPILE,
            extra_link_args=LINK,
        )
    ]
)
