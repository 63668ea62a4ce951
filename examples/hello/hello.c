/* Prints a greeting without any library, so that the executable is small and needs nothing else in its image. */

static long system_call(long number, long a, long b, long c)
{
    long result;
    __asm__ volatile("syscall" : "=a"(result) : "a"(number), "D"(a), "S"(b), "d"(c) : "rcx", "r11", "memory");
    return result;
}

void _start(void)
{
    static const char greeting[] = "Hello from an image that strake made.\n";
    enum { SYS_WRITE = 1, SYS_EXIT = 60 };
    long written = system_call(SYS_WRITE, 1, (long)greeting, sizeof greeting - 1);
    system_call(SYS_EXIT, written == sizeof greeting - 1 ? 0 : 1, 0, 0);
}
