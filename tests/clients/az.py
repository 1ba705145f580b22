"""placeholder"""
def run(checks, simulator, kubectl, az):
    pass
