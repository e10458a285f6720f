"""What the endpoint and `ssbray watch` share: settings, keys, decoding within limits, and the answer itself."""
