/* t[k] = 1 where k is the label, else 0 */
static void one_hot(int label, float *t, int count)
{
    for (int k = 0; k < count; k++)
        t[k] = k == label;
}
