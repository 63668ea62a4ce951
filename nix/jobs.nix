# strake's option for as many threads as Nix gives to a build; 0 stands for all processors there.
''$([ "''${NIX_BUILD_CORES:-0}" -gt 0 ] && echo --jobs "$NIX_BUILD_CORES")''
