"""placeholder"""
def run(checks, simulator, kubectl):
    pass
