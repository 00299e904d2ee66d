#!/bin/sh
# Stands for your own command.
echo "restarted $1"
