/* Read inputs from the console and print $printed; $mark. */
/* SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdlib.h>

#include <zephyr/console/console.h>
#include <zephyr/sys/printk.h>

#include "${name}.h"

static int read_character(void)
{
    return console_getchar();
}

static void show(const char *name, float output, const char *note)
{
    printk("%s %g%s\n", name, (double)output, note);
}

$classify
int main(void)
{
    console_init();
    printk("send $inputs numbers\n");
    for (;;)
        classify();
    return 0;
}
