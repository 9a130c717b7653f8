"""The legacy side: one folder for each kind of source, and the SDK that they and strangers build on."""
